"""Starting a process in a sandbox, without fork: `posix_spawn(3)` from PID 1."""

from __future__ import annotations

import contextlib
import errno
import os
import signal

from ..kernel import terminals
from . import other_user

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.agent import SpawnRequest, TerminalSize

_ALL_SIGNALS = tuple(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
_NULL = 0  # PID 1's own standard input is the sandbox's /dev/null


def spawn(request: SpawnRequest, fds: list[int]) -> tuple[int, tuple[int, ...]]:
    """Start the process of an `exec` message; its pid, and the terminal for the engine if any.

    Raises:
        OSError: with the name of what is at fault: the folder, the command, its interpreter.
    """
    # PID 1 goes there itself: Python's posix_spawn has no file action for that, and there is no
    # other thread that it would take along.
    os.chdir(request.workdir)
    try:
        path = find_command(request.argv[0], request.env.get("PATH", os.defpath))
        if request.terminal is None:
            return _spawn(path, request, _pipes(request, fds)), ()
        return _spawn_on_terminal(path, request, request.terminal)
    finally:
        os.chdir("/")


def find_command(command: str, search: str) -> str:
    """The file that a command means, as execvp(3) looks for it, relative to the current folder."""
    if "/" in command:
        return command
    # An empty entry of PATH means the current folder, and an error in one folder does not end the
    # search: execvp(3).
    paths = [os.path.join(folder or ".", command) for folder in search.split(":")]
    for path in paths:
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
    for path in reversed(paths):
        if os.path.lexists(path) and not os.path.isdir(path):
            raise PermissionError(errno.EACCES, "not executable", path)
    raise FileNotFoundError(errno.ENOENT, f"command not found (PATH={search})", command)


def signal_session(leader: int, number: int) -> None:
    """Signal every process of a session.

    A kill also ends descendants of its leader that went to another session, setsid(2), and comes
    again until none is left that could fork more. It does not find those that left the session
    and whose parent ended before: they are children of PID 1 then, like those of other commands.
    """
    sessions = {leader}
    for _ in range(8 if number == signal.SIGKILL else 1):
        members = _members(leader, sessions, descendants=number == signal.SIGKILL)
        # The leader first: it may be waiting for one of the others, and end by itself in time.
        for pid in sorted(members, key=leader.__ne__):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if not members:
            return


def _members(leader: int, sessions: set[int], *, descendants: bool) -> set[int]:
    """The processes of some sessions, to which those of the descendants are added if asked for."""
    running = {pid: ids for pid in _pids() if (ids := _parent_and_session(pid)) is not None}
    members = {pid for pid, (_, session) in running.items() if session in sessions}
    while descendants:
        found = {
            pid
            for pid, (parent, session) in running.items()
            if session in sessions or parent == leader or parent in members
        }
        if found <= members:
            break
        members |= found
        sessions |= {running[pid][1] for pid in found}
    return members


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _parent_and_session(pid: int) -> tuple[int, int] | None:
    """The parent and the session of a process that still runs."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else (int(fields[1]), int(fields[3]))


def _pipes(request: SpawnRequest, fds: list[int]) -> list[tuple[int, ...]]:
    """File actions for the engine's pipes: stdin, and those of stdout and stderr that it wants."""
    given = iter(fds)
    stdin = next(given)
    stdout = stderr = _NULL
    if request.stdout == "pipe":
        stdout = next(given)
    if request.stderr == "pipe":
        stderr = next(given)
    elif request.stderr == "stdout":
        stderr = stdout
    # stdin comes last: until then 0 still is /dev/null.
    return [
        (os.POSIX_SPAWN_DUP2, stdout, 1),
        (os.POSIX_SPAWN_DUP2, stderr, 2),
        (os.POSIX_SPAWN_DUP2, stdin, 0),
    ]


def _spawn_on_terminal(
    path: str, request: SpawnRequest, size: TerminalSize
) -> tuple[int, tuple[int, ...]]:
    """Open a terminal of the sandbox's own; the process leads its session."""
    master, number = terminals.open_terminal()
    try:
        terminals.set_size(master, size.rows, size.columns)
        # A session leader's first terminal becomes its controlling terminal: open(2) as it starts.
        actions: list[tuple[int, ...]] = [
            (os.POSIX_SPAWN_OPEN, 0, f"/dev/pts/{number}", os.O_RDWR, 0),  # type: ignore[list-item]
            (os.POSIX_SPAWN_DUP2, 0, 1),
            (os.POSIX_SPAWN_DUP2, 0, 2),
        ]
        return _spawn(path, request, actions), (master,)
    except OSError:
        os.close(master)
        raise


def _spawn(path: str, request: SpawnRequest, actions: list[tuple[int, ...]]) -> int:
    try:
        if request.user is not None:
            return other_user.spawn(path, request, actions, request.user)
        # vfork(2) underneath: a fork would copy the page tables of PID 1 first, which more than
        # doubled the time of a command when measured.
        return os.posix_spawn(
            path,
            request.argv,
            request.env,
            file_actions=actions,
            # By its session, all that it starts is found when it is to be killed.
            setsid=True,
            setsigmask=(),
            # Python ignores SIGPIPE and SIGXFSZ, and what is ignored stays so in a new program:
            # execve(2).
            setsigdef=_ALL_SIGNALS,
        )
    except OSError as error:
        raise _explained(error, path) from None


def _explained(error: OSError, path: str) -> OSError:
    """The same error, in words that tell which of its many causes it was."""
    text = error.strerror
    # execve(2) says ENOENT for an interpreter that does not exist, too; and EAGAIN is fork(2)'s,
    # for RLIMIT_NPROC and for the pids cgroup.
    if error.errno == errno.ENOENT and os.path.lexists(path):
        text = "its interpreter, named in its first line or its header, does not exist"
    elif error.errno == errno.ENOENT:
        text = "no such file"
    elif error.errno == errno.EACCES and os.path.isdir(path):
        text = "it is a directory"
    elif error.errno == errno.EACCES:
        text = "it is not executable"
    elif error.errno == errno.ENOEXEC:
        text = "it is neither a program for this machine nor a script with a #! line"
    elif error.errno == errno.E2BIG:
        text = "its arguments and environment are longer than the kernel allows"
    elif error.errno == errno.EAGAIN:
        text = "the sandbox has as many processes as it may have"
    return OSError(error.errno, text, path)
