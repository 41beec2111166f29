"""Running CRIU in a sandbox: what it needs there, what it says, and what went wrong."""

from __future__ import annotations

import contextlib
import os
import re

from ..kernel import caps, namespaces, parent
from ..kernel.clone import clone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .bundle import CriuBundle

#: What CRIU finds out about the kernel, for which it takes longer than for all the rest.
# Without it each call takes 40 ms longer (measured with CRIU 4.2).
_CACHE = "criu.kdat"
_ERROR = re.compile(r"Error \([^)]*\): (.*)")
#: Errors that do not matter, or that only say that there was one.
_NOISE = (
    "rlimit: Can't setup RLIMIT_NOFILE for self",
    "cg: cgroupd:",
    "Dumping FAILED",
    "Restoring FAILED",
)
_MOST_ERRORS = 4


class CriuError(Exception):
    """Something cannot be dumped or restored; says what and why."""


class CriuRunner:
    """Runs CRIU on the processes of one sandbox.

    Args:
        bundle: how to run CRIU.
        folder: a descriptor of the folder with its files.
        work: one of an empty folder, where each tree of processes gets a folder for logs and such.
        images: one of the folder of images, with a folder for each tree too.
        counter: one of `ns_last_pid`, which means that of the process that uses it.
    """

    def __init__(
        self, bundle: CriuBundle, folder: int, work: int, images: int, counter: int
    ) -> None:
        self._bundle = bundle
        self._folder = folder
        self._work = work
        self._counter = counter
        self.images = images

    def latest_pid(self) -> int:
        """The number of the sandbox's latest process or thread."""
        return int(os.pread(self._counter, 32, 0))

    def set_latest_pid(self, pid: int) -> None:
        """Give the next processes of the sandbox numbers above this one."""
        os.pwrite(self._counter, str(pid).encode(), 0)

    def enter(self, tree: str) -> None:
        """Go to the folder of a tree, which is made if need be."""
        os.fchdir(self._work)
        with contextlib.suppress(FileExistsError):
            os.mkdir(tree)
            os.chdir(tree)
            with contextlib.suppress(FileNotFoundError):
                _copy(self._folder, None)
            return
        os.chdir(tree)

    def start(
        self,
        action: str,
        tree: str,
        options: list[str],
        inherited: tuple[int, ...] = (),
        ids: tuple[int, int] = (0, 0),
        *,
        own_ipc: bool = False,
    ) -> int:
        """Start CRIU; its pid.

        Args:
            action: `"dump"`, `"restore"`, ...
            tree: of which processes.
            options: further options.
            inherited: descriptors that it is to have.
            ids: user and group of the processes. To ask for their limits takes either the same
                real ids or a capability that not every root has (prlimit(2)).
            own_ipc: run it in an IPC namespace of its own, so that it takes that of the processes
                for theirs, and dumps what is in it.
        """
        self.enter(tree)
        arguments = ["--images-dir", f"/proc/self/fd/{self.images}/{tree}"]
        # -v1: errors only, which `errors` shows to people.
        arguments += ["--log-file", f"{action}.log", "-v1", *options]

        helper = os.getpid()

        def child() -> None:
            parent.die_with(helper)
            # All descriptors here close on execve(2), so that nothing reaches programs by mistake.
            for fd in (self._folder, self.images, *inherited):
                os.set_inheritable(fd, True)
            if own_ipc:
                namespaces.unshare(namespaces.CLONE_NEWIPC)
            # The real ids only: with the effective ones, root's capabilities would go,
            # capabilities(7), "Effect of user ID changes on capabilities".
            if any(ids) and not caps.has(caps.CAP_SYS_RESOURCE):
                os.setresgid(ids[1], 0, 0)
                os.setresuid(ids[0], 0, 0)
            self._bundle.exec_criu(self._folder, action, arguments)

        return clone(0, child)

    def run(
        self,
        action: str,
        tree: str,
        options: list[str],
        inherited: tuple[int, ...] = (),
        ids: tuple[int, int] = (0, 0),
        *,
        own_ipc: bool = False,
    ) -> str:
        """Run CRIU to its end; what it complained of, or nothing if it succeeded."""
        pid = self.start(action, tree, options, inherited, ids, own_ipc=own_ipc)
        _, status = os.waitpid(pid, 0)
        self._store_cache()
        if status == 0:
            return ""
        return self.errors(action) or f"CRIU ended with {os.waitstatus_to_exitcode(status)}"

    def errors(self, action: str) -> str:
        """The last errors in the log of a tree, whose folder is the current one."""
        try:
            with open(f"{action}.log", errors="replace") as file:
                found = _ERROR.findall(file.read())
        except FileNotFoundError:
            return ""
        return "; ".join([error for error in found if not error.startswith(_NOISE)][-_MOST_ERRORS:])

    def _store_cache(self) -> None:
        """Let others use what was found out now."""
        if not os.path.exists(f"/proc/self/fd/{self._folder}/{_CACHE}"):
            with contextlib.suppress(FileNotFoundError):
                _copy(None, self._folder)


def _copy(source: int | None, target: int | None) -> None:
    fd = os.open(_CACHE, os.O_RDONLY | os.O_CLOEXEC, dir_fd=source)
    try:
        content = os.read(fd, 1 << 20)
    finally:
        os.close(fd)
    # Under another name first: other helpers may be reading it, and rename(2) is atomic.
    part = f"{_CACHE}.{os.getpid()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    fd = os.open(part, flags, 0o600, dir_fd=target)
    try:
        os.write(fd, content)
    finally:
        os.close(fd)
    os.rename(part, _CACHE, src_dir_fd=target, dst_dir_fd=target)
