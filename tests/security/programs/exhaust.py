"""Run inside a sandbox: takes all that the kernel has of one kind for its user, and holds it.

Prints, as one line of JSON, how many it got, and waits until its standard input ends. With `one` as
a second argument it takes one only, prints the error that it got, if any, and ends.
"""

import array
import contextlib
import ctypes
import errno
import fcntl
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable

F_SETPIPE_SZ, F_GETPIPE_SZ = 1031, 1032
CLOCK_MONOTONIC = 1
#: Bytes of a usual pipe: pipe(7).
PIPE = 65536
libc = ctypes.CDLL(None, use_errno=True)
one = sys.argv[2:] == ["one"]
held: list[int] = []
ends: list[socket.socket] = []


class SigEvent(ctypes.Structure):
    """`struct sigevent`."""

    _fields_ = [
        ("value", ctypes.c_uint64),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_char * 64),
    ]


def checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result


def send_descriptors() -> None:
    """Send descriptors that nothing receives."""
    ends.extend(socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
    fds = array.array("i", [0] * (1 if one else 250))
    ends[-1].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])


def watch() -> None:
    held.append(checked(libc.inotify_init()))


def make_timer() -> None:
    """A timer, for which the kernel sets a pending signal aside: timer_create(2)."""
    made, event = ctypes.c_void_p(), SigEvent(0, signal.SIGUSR1, 0)
    checked(libc.timer_create(CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(made)))


def make_queue() -> None:
    name = b"/queue%d" % len(held)
    held.append(checked(libc.mq_open(name, os.O_CREAT | os.O_RDWR, 0o600, None)))
    checked(libc.mq_unlink(name))  # it lives as long as its descriptor: mq_unlink(3)


def make_pipe() -> None:
    """A pipe: as large as may be, for all; not smaller than usual, for one."""
    read, write = os.pipe()
    held.extend((read, write))
    if not one:
        with contextlib.suppress(PermissionError):  # further ones still take a page: pipe(7)
            fcntl.fcntl(read, F_SETPIPE_SZ, 16 * PIPE)
    elif fcntl.fcntl(read, F_GETPIPE_SZ) < PIPE:
        raise OSError(errno.ENOSPC, "")


def start_process() -> None:
    """A process of a user of its own, where there is another."""
    read, write = os.pipe()
    user = len(held) + 1
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(OSError):  # a sandbox may have one id only
            os.setuid(user)
        try:
            # The kernel may refuse one too many as late as here: setuid(2), EAGAIN.
            grandchild = os.fork()
        except OSError:
            os._exit(1)
        if grandchild:
            os.write(write, b"x")
        signal.pause()
    os.close(write)
    started = os.read(read, 1)
    os.close(read)
    if not started:
        raise OSError(errno.EAGAIN, "")
    held.append(pid)


#: How each is taken, and how often at most.
KINDS: dict[str, tuple[Callable[[], None], int]] = {
    "descriptors": (send_descriptors, 80),
    "inotify": (watch, 1000),
    "timers": (make_timer, 200_000),
    "queues": (make_queue, 1000),
    "pipes": (make_pipe, 300),
    "processes": (start_process, 200),
}


def main() -> None:
    take, most = KINDS[sys.argv[1]]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20000), hard))
    got, error = 0, ""
    try:
        while got < (1 if one else most):
            take()
            got += 1
    except OSError as refusal:
        error = errno.errorcode[refusal.errno or 0]
    if one:
        sys.stdout.write(f'"{error}"\n')
        return
    sys.stdout.write(f"{got}\n")
    sys.stdout.flush()
    sys.stdin.read()


main()
