"""The stage: the zygote's own small root, from which the filesystem of each sandbox is made.

`_mounts` says what is where. Once it stands, nothing else of the machine can be reached by path
from the zygote, and a sandbox copies a mount namespace of a dozen mounts instead of the machine's.
"""

from __future__ import annotations

import os

from ..filesystem import root_mounts
from ..kernel import idmap, mounts
from . import scripts, skeleton

#: Where the stage is put together before it becomes the root; only this mount namespace sees it.
_AT = "/tmp"


def build(
    trees: list[tuple[str, bool]], moved: dict[str, str], links: dict[str, str], *, shift: int
) -> None:
    """Build the stage and make it the root; the caller is in a mount namespace of its own.

    Args:
        trees: where folders of the machine show, and whether they can be written to.
        moved: where on the machine those trees are that show at another path: virtual
            environments, whose scripts are made anew beside them.
        links: top-level symbolic links of the machine.
        shift: first id of the machine that sandboxes use; 0 if they use the zygote's own.
    """
    # systemd shares all mounts, and unshare(2) keeps that: what is mounted here would show on the
    # machine. mount_namespaces(7), "Shared subtrees".
    mounts.mount("", "/", flags=mounts.MS_REC | mounts.MS_PRIVATE)
    opened = _open_trees([(moved.get(path, path), writable) for path, writable in trees], shift)
    # Now, while the machine's /tmp can still be read.
    rewritten = {path: scripts.rewritten(source, path) for path, source in moved.items()}
    devices = [mounts.open_tree(f"/dev/{name}") for name in root_mounts.DEVICES]
    # With all that is mounted on them: in a user namespace the kernel copies them only whole, and
    # mounts new ones only where it sees them unmasked.
    proc = mounts.open_tree("/proc", recursive=True)
    sysfs = mounts.open_tree("/sys", recursive=True)
    mounts.mount("stage", _AT, "tmpfs", mounts.MS_NOSUID | mounts.MS_NODEV, "mode=0755")
    for name in (
        *("skeleton", "trees", "dev", "layers", "volumes", "box", "root", "proc", "sys", "empty"),
        *("memory", "work"),
    ):
        os.mkdir(f"{_AT}/{name}", 0o755)
    skeleton.build(f"{_AT}/skeleton", root_mounts.DEVICES, links, [path for path, _ in trees])
    for path, texts in rewritten.items():
        skeleton.add_scripts(f"{_AT}/skeleton{os.path.dirname(path)}/bin", texts)
    if shift:
        skeleton.give_to(f"{_AT}/skeleton", shift)
    for number, tree in enumerate(opened):
        _attach(tree, f"{_AT}/trees/{number}", directory=True)
    for name, device in zip(root_mounts.DEVICES, devices, strict=True):
        _attach(device, f"{_AT}/dev/{name}", directory=False)
    _attach(proc, f"{_AT}/proc")
    _attach(sysfs, f"{_AT}/sys")
    empty = mounts.open_tree(f"{_AT}/empty")
    mounts.set_attributes(empty, mounts.MOUNT_ATTR_RDONLY)
    _attach(empty, f"{_AT}/empty")
    # From here on, nothing of the machine has a path.
    os.chdir(_AT)
    mounts.change_root()


def _open_trees(trees: list[tuple[str, bool]], shift: int) -> list[int]:
    """Copies of the mounts: writable ones with owners shifted, the others read-only."""
    if not shift:
        return [_copied(path, writable) for path, writable in trees]
    userns = idmap.namespace(shift, idmap.COUNT)
    try:
        return [
            idmap.shifted_tree(path, userns) if writable else _copied(path, writable)
            for path, writable in trees
        ]
    finally:
        os.close(userns)


def _copied(path: str, writable: bool) -> int:
    # Below a lower directory of overlayfs no mounts show. Elsewhere they have to come along: in a
    # user namespace, the kernel does not reveal what they hide, mount_namespaces(7).
    tree = mounts.open_tree(path, recursive=not writable)
    if not writable:
        mounts.set_attributes(tree, mounts.MOUNT_ATTR_RDONLY, recursive=True)
    return tree


def _attach(tree: int, target: str, *, directory: bool | None = None) -> None:
    if directory is True:
        os.mkdir(target)
    elif directory is False:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    mounts.move_mount(tree, target)
    os.close(tree)
