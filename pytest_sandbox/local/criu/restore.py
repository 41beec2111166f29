"""Restoring the processes of a snapshot into a new sandbox."""

from __future__ import annotations

import contextlib
import os

from ..filesystem.tree_copier import copy_tree
from ..filesystem.walk import open_folder
from ..kernel import loopback
from . import outside_terminals, processes
from .run import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.criu import DumpedState, RestoreRequest
    from .run import Tools

#: Bytes from which memory is handed out as it is used: less is read sooner than that.
_MUCH = 50 << 20
_SHARED = "/dev/shm"
_OPTIONS = [
    "--restore-detached",
    *("--tcp-established", "--network-lock", "skip"),
    *("--file-locks", "--shell-job", "--manage-cgroups=ignore"),
]


def hand_out_memory(tools: Tools, state: DumpedState) -> None:
    """For each tree with much memory, start what hands it out as it is used.

    Done outside of the sandbox, where its programs cannot stop it. It ends when all has been
    handed out, or nobody wants it any more.
    """
    for tree in state.trees:
        name = str(tree.root)
        if not _is_much(tools, name):
            continue
        ready, theirs = os.pipe2(os.O_CLOEXEC)
        tools.start("lazy-pages", name, ["--status-fd", str(theirs)], (theirs,))
        os.close(theirs)
        if not os.read(ready, 1):
            raise Refused(f"process {name}: CRIU says: {tools.words('lazy-pages')}")
        os.close(ready)


def restore(tools: Tools, request: RestoreRequest) -> tuple[int, ...]:
    """Restore all trees, then let those go on that were not stopped when they were kept.

    Args:
        tools: how.
        request: the engine's; the pipes that it gives are in `tools`.

    Returns:
        The masters of these terminals.

    Raises:
        Refused: CRIU could not.
        OSError: what the kernel said.
    """
    state = request.state
    _restore_shared(tools)
    # One descriptor for each: CRIU closes what it has used.
    pipes = {inode: os.open("/dev/null", os.O_RDWR) for inode in state.pipes}
    pipes |= {pipe.inode: tools.fds[pipe.place] for pipe in request.streams}
    numbers = {*request.masters, *(terminal.number for terminal in state.terminals)}
    terminals = outside_terminals.open_all(numbers)
    given = {f"pipe:[{inode}]": fd for inode, fd in pipes.items()}
    given |= {outside.key: terminals[outside.number][1] for outside in state.terminals}
    tools.count_from(os.getpid())  # what CRIU starts must not have the numbers that it restores
    trees = [str(tree.root) for tree in state.trees]
    with loopback.silenced() if len(trees) > 1 else contextlib.nullcontext():
        for tree in trees:
            _restore(tools, tree, given)
    tools.count_from(state.latest)
    processes.resume(state.going)
    return tuple(terminals[number][0] for number in request.masters)


def _restore(tools: Tools, tree: str, given: dict[str, int]) -> None:
    options = list(_OPTIONS)
    for key, fd in given.items():
        options += ["--inherit-fd", f"fd[{fd}]:{key}"]
    if _is_much(tools, tree):
        options.append("--lazy-pages")
    words = tools.run("restore", tree, options, tuple(given.values()))
    if words:
        raise Refused(f"process {tree}: CRIU says: {words}")


def _is_much(tools: Tools, tree: str) -> bool:
    with os.scandir(f"/proc/self/fd/{tools.images}/{tree}") as entries:
        return sum(one.stat().st_size for one in entries if one.name.startswith("pages-")) > _MUCH


def _restore_shared(tools: Tools) -> None:
    os.mkdir(f"{_SHARED}/.names")
    copy_tree(
        open_folder("shm", tools.images), open_folder(_SHARED), open_folder(f"{_SHARED}/.names")
    )
    os.rmdir(f"{_SHARED}/.names")
