"""Starting a process as another user than root, without any program of the image."""

from __future__ import annotations

import errno
import os
import select
import signal

from ..kernel import prctl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..protocol.agent import SpawnRequest, UserIds

_SIGNALS = tuple(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
#: Milliseconds between two looks at whether a program has stopped what is about to be another one,
#: and how often it is resumed before it is killed.
_LOOK = 20
_RESUMES = 10


def spawn(path: str, request: SpawnRequest, actions: list[tuple[int, ...]], user: UserIds) -> int:
    """Start a program as a user; its pid.

    posix_spawn(3) cannot change ids, so this forks. The copy of PID 1 can be inspected by nobody,
    before its change of ids and after it, until the program runs.

    Args:
        path: of the program.
        request: its arguments and environment.
        actions: what becomes of its descriptors, as for `os.posix_spawn`.
        user: who runs it.

    Raises:
        OSError: it cannot be started, or this sandbox has no such ids.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        pid = os.fork()
        if pid == 0:
            _become(path, request, actions, user, writing)
    finally:
        os.close(writing)
    try:
        number = _error(pid, reading)
    finally:
        os.close(reading)
    if number:
        os.waitpid(pid, 0)
        if number == -1:
            raise OSError(errno.EINVAL, f"this sandbox has no user {user.uid}:{user.gid}", path)
        raise OSError(number, os.strerror(number), path)
    return pid


def _become(
    path: str,
    request: SpawnRequest,
    actions: list[tuple[int, ...]],
    user: UserIds,
    writing: int,
) -> None:
    """In the new process: become the program, or tell why not."""
    number = 0
    try:
        os.setsid()
        for action in actions:
            _act(action)
        signal.set_wakeup_fd(-1)
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        number = -1
        # First the groups, which take the capability that goes with the user id.
        os.setgroups(user.groups)
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
        number = 0
        # A change of ids sets it to fs.suid_dumpable: prctl(2), PR_SET_DUMPABLE.
        prctl.forbid_inspection()
        os.execve(path, request.argv, request.env)  # noqa: S606 - as it was asked for
    except OSError as error:
        number = number or error.errno or errno.EIO
    finally:
        try:
            os.write(writing, str(number or errno.EIO).encode())
        finally:
            os._exit(127)


def _act(action: tuple[Any, ...]) -> None:
    """What posix_spawn(3) does for a file action."""
    if action[0] == os.POSIX_SPAWN_DUP2:
        os.dup2(action[1], action[2])
        return
    _, target, path, flags, mode = action
    opened = os.open(path, flags, mode)
    if opened != target:
        os.dup2(opened, target)
        os.close(opened)
    os.set_inheritable(target, True)


def _error(pid: int, reading: int) -> int:
    """Wait until the program runs; else the error number, -1 if it is about the ids.

    A program of the sandbox may stop the process meanwhile, which must not stop PID 1.
    """
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    resumes = _RESUMES
    while not poll.poll(_LOOK):
        if os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG) is not None:
            resumes -= 1
            os.kill(pid, signal.SIGCONT if resumes >= 0 else signal.SIGKILL)
    return int(os.read(reading, 16) or b"0")
