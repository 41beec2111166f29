"""The stage: the zygote's own small root, from which the filesystem of each sandbox is made.

`filesystem/root_mounts` says what is where. Once it stands, nothing else of the machine can be
reached by path from the zygote, and a sandbox copies a mount namespace of a dozen mounts instead of
the machine's.
"""

from __future__ import annotations

import os
import sys

from ..filesystem import layers, root_mounts
from ..filesystem.gpu_mounts import GpuMounts
from ..filesystem.host_trees import in_order, parts_of
from ..kernel import idmap, mounts
from . import scripts, skeleton
from .images import foreign_skeleton
from .images.opened_store import OpenedImages
from .opened_folder import OpenedFolder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..filesystem.host_trees import HostTree
    from ..protocol.setup import SetupRequest

#: Where the stage is put together before it becomes the root; only this mount namespace sees it.
_AT = "/tmp"


class Stage:
    """What was built.

    Args:
        trees: folders of the machine that show, in the order in which they are mounted.
        read_only: those that could have no layer, and why.
        left_out: those that do not show, and why.
        no_images: why sandboxes cannot be made of layers of images; empty if they can.
    """

    def __init__(
        self,
        trees: list[HostTree],
        read_only: dict[str, str],
        left_out: dict[str, str],
        no_images: str,
    ) -> None:
        self.trees = trees
        self.read_only = read_only
        self.left_out = left_out
        self.no_images = no_images


class OpenedMachine:
    """What the stage is made of, as far as it may be for the engine's user alone.

    The caller is in a mount namespace of its own.

    Args:
        request: the engine's.

    Attributes:
        folders: that will show.
        gpus: what sandboxes may have of the GPUs.
        images: unpacked layers of images.
        files: content and mode by path.
        scripts: name to content, of virtual environments that show at another path, by that path.

    Raises:
        OSError: the kernel refused what cannot be done without.
    """

    def __init__(self, request: SetupRequest) -> None:
        # systemd shares all mounts, and unshare(2) keeps that: what is mounted here would show on
        # the machine. mount_namespaces(7), "Shared subtrees".
        mounts.mount("", "/", flags=mounts.MS_REC | mounts.MS_PRIVATE)
        self.folders, self.images = _open_folders(request)
        self.files = skeleton.read_files(request.files)
        self.gpus = GpuMounts(request.gpus, request.gpu_links)
        self.scripts = {
            path: scripts.rewritten(source, path) for path, source in request.moved.items()
        }


def build(request: SetupRequest, machine: OpenedMachine, etc: skeleton.Chosen) -> Stage:
    """Build the stage and make it the root.

    The scripts of a virtual environment that shows at another path are made anew beside it.

    Args:
        request: the engine's, which says what it is made of.
        machine: what was opened of the machine.
        etc: what shows of its `/etc`.
    """
    folders = machine.folders
    devices = [mounts.open_tree(f"/dev/{name}") for name in root_mounts.DEVICES]
    # With all that is mounted on them: in a user namespace the kernel copies them only whole, and
    # mounts new ones only where it sees them unmasked.
    proc = mounts.open_tree("/proc", recursive=True)
    sysfs = mounts.open_tree("/sys", recursive=True)
    mounts.mount("stage", _AT, "tmpfs", mounts.MS_NOSUID | mounts.MS_NODEV, "mode=0755")
    for name in (
        *("skeleton", "trees", "dev", "layers", "volumes", "box", "root", "proc", "sys", "empty"),
        *("memory", "work", "hidden", "images", "foreign", *root_mounts.FOLDERS_AHEAD),
    ):
        os.mkdir(f"{_AT}/{name}", 0o755)
    trees = in_order(tree for folder in folders if (tree := folder.attach(_AT)) is not None)
    layers.make_trial(_AT, parts_of(trees))
    points = [tree.path for tree in trees if tree.shown != "with project"]
    skeleton.build(f"{_AT}/skeleton", etc, root_mounts.DEVICES, request.links, points)
    for path, texts in machine.scripts.items():
        skeleton.add_scripts(f"{_AT}/skeleton{os.path.dirname(path)}/bin", texts)
    skeleton.add_files(f"{_AT}/skeleton", machine.files, request.more_links)
    foreign_skeleton.build(f"{_AT}/foreign", root_mounts.DEVICES)
    if request.shift and not request.own_ids:
        for name in ("skeleton", "foreign"):
            skeleton.give_to(f"{_AT}/{name}", request.shift)
    for name, device in zip(root_mounts.DEVICES, devices, strict=True):
        os.close(os.open(f"{_AT}/dev/{name}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        _attach(device, f"{_AT}/dev/{name}")
    machine.gpus.attach(_AT)
    machine.images.attach(_AT)
    _attach(proc, f"{_AT}/proc")
    _attach(sysfs, f"{_AT}/sys")
    empty = mounts.open_tree(f"{_AT}/empty")
    mounts.set_attributes(empty, mounts.MOUNT_ATTR_RDONLY)
    _attach(empty, f"{_AT}/empty")
    # From here on, nothing of the machine has a path.
    os.chdir(_AT)
    mounts.change_root()
    # And no module can be imported any more, here and in all that is forked from here: helpers and
    # agents enter roots of sandboxes, with files of hostile programs where the library was.
    sys.meta_path.clear()
    return Stage(
        trees,
        {folder.path: folder.read_only for folder in folders if folder.read_only},
        {folder.path: folder.left_out for folder in folders if folder.left_out},
        machine.images.refused,
    )


def _open_folders(request: SetupRequest) -> tuple[list[OpenedFolder], OpenedImages]:
    """Copies of the mounts; owners are shifted in those that have layers.

    Where each sandbox has ids of its own, they are shifted for each: see `mapped_mounts`.
    """
    shift, ids = request.shift, request.ids
    userns = idmap.namespace(shift, ids) if shift else None
    if request.own_ids:
        shift = 0
    try:
        return [
            OpenedFolder(number, tree, shift, ids, userns)
            for number, tree in enumerate(request.trees)
        ], OpenedImages(request.images, shift, userns)
    finally:
        if userns is not None:
            os.close(userns)


def _attach(tree: int, target: str) -> None:
    mounts.move_mount(tree, target)
    os.close(tree)
