"""Restoring the processes of a snapshot into a new sandbox."""

from __future__ import annotations

import contextlib
import os

from ..filesystem.tree_copier import copy_tree
from ..filesystem.walk import open_folder
from ..kernel.network import loopback
from . import external_terminals, processes
from .runner import CriuError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.criu import DumpedState, RestoreRequest, StreamsGiven
    from .runner import CriuRunner

#: Bytes from which a restored tree gets its pages when it first touches them: reading less at once
#: is faster than to start the daemon that gives them.
_LAZY_FROM = 50 << 20
_SHM = "/dev/shm"
#: `--restore-detached`: CRIU ends when the processes run, and PID 1 inherits them as it inherits
#: any orphan. The others are explained in `dump`.
_OPTIONS = [
    "--restore-detached",
    *("--tcp-established", "--network-lock", "skip"),
    *("--file-locks", "--shell-job", "--manage-cgroups=ignore"),
]


def start_lazy_pages(criu: CriuRunner, state: DumpedState) -> dict[str, int]:
    """Start CRIU's lazy-pages daemon for each tree with much memory.

    It gives a restored process each page when that is first touched, userfaultfd(2). It runs
    outside of the sandbox, whose programs cannot stop it there, and ends when it has given all
    pages, or when the process is gone.

    Returns:
        By the name of each such tree, a descriptor, on which a byte comes when it is ready.
    """
    started = {}
    for tree in state.trees:
        name = str(tree.root)
        if _is_lazy(criu, name):
            started[name], theirs = os.pipe2(os.O_CLOEXEC)
            criu.start("lazy-pages", name, ["--status-fd", str(theirs)], (theirs,))
            os.close(theirs)
    return started


class Restore:
    """Restores all trees; what needs nothing of those who want them is done at once.

    Args:
        criu: how.
        request: the engine's.
        lazy: what `start_lazy_pages` returned.

    Attributes:
        masters: of the terminals that were asked for.

    Raises:
        OSError: what the kernel said.
    """

    def __init__(self, criu: CriuRunner, request: RestoreRequest, lazy: dict[str, int]) -> None:
        self._criu = criu
        self._state = state = request.state
        self._lazy = lazy
        # CRIU opens the files that processes had mapped, so these come first.
        _restore_shm(criu)
        # One descriptor for each: CRIU closes what it has used.
        self._pipes = {inode: os.open("/dev/null", os.O_RDWR) for inode in state.pipes}
        numbers = {*request.masters, *(terminal.number for terminal in state.terminals)}
        terminals = external_terminals.open_all(numbers)
        self._slaves = {outside.key: terminals[outside.number][1] for outside in state.terminals}
        self.masters = tuple(terminals[number][0] for number in request.masters)
        for tree in state.trees:
            criu.enter(str(tree.root))

    def run(self, given: StreamsGiven, fds: list[int]) -> None:
        """Restore them, then resume those that were not stopped when they were dumped.

        Args:
            given: the engine's pipes.
            fds: these.

        Raises:
            CriuError: CRIU could not.
            OSError: what the kernel said.
        """
        criu, state = self._criu, self._state
        pipes = self._pipes | {pipe.inode: fds[pipe.place] for pipe in given.streams}
        inherited = {f"pipe:[{inode}]": fd for inode, fd in pipes.items()} | self._slaves
        # What CRIU starts must not have the numbers that it restores.
        criu.set_latest_pid(os.getpid())
        trees = [str(tree.root) for tree in state.trees]
        # A connection between two trees is restored one end at a time. Packets for the end that is
        # still missing would be answered by a reset, tcp(7), and break it: so none arrive until
        # both are there.
        with loopback.silenced() if len(trees) > 1 else contextlib.nullcontext():
            for tree in trees:
                _restore(criu, tree, inherited, self._lazy.get(tree))
        criu.set_latest_pid(state.latest_pid)
        processes.resume(state.running)


def _restore(criu: CriuRunner, tree: str, given: dict[str, int], lazy: int | None) -> None:
    options = list(_OPTIONS)
    for key, fd in given.items():
        options += ["--inherit-fd", f"fd[{fd}]:{key}"]
    if lazy is not None:
        options.append("--lazy-pages")
        if not os.read(lazy, 1):
            criu.enter(tree)
            raise CriuError(f"process {tree}: CRIU says: {criu.errors('lazy-pages')}")
    errors = criu.run("restore", tree, options, tuple(given.values()))
    if errors:
        raise CriuError(f"process {tree}: CRIU says: {errors}")


def _is_lazy(criu: CriuRunner, tree: str) -> bool:
    with os.scandir(f"/proc/self/fd/{criu.images}/{tree}") as entries:
        return (
            sum(one.stat().st_size for one in entries if one.name.startswith("pages-")) > _LAZY_FROM
        )


def _restore_shm(criu: CriuRunner) -> None:
    os.mkdir(f"{_SHM}/.names")
    copy_tree(open_folder("shm", criu.images), open_folder(_SHM), open_folder(f"{_SHM}/.names"))
    os.rmdir(f"{_SHM}/.names")
