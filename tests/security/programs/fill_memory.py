"""Run inside a sandbox: takes memory that belongs to no process, of one kind, until it is refused.

Prints the error that it got. Where nothing is refused, the kernel ends it, or the most that the
test wants is reached.
"""

import array
import contextlib
import ctypes
import errno
import os
import socket
import sys
from collections.abc import Callable

IPC_CREAT, IPC_PRIVATE = 0o1000, 0
#: Bytes taken at a time.
STEP = 4 << 20
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)


def checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result


def fill_segment() -> None:
    """A System V segment, which stays when its maker ends: shmget(2)."""
    segment = checked(libc.shmget(IPC_PRIVATE, STEP, IPC_CREAT | 0o600))
    address = libc.shmat(segment, None, 0)
    ctypes.memset(address, 1, STEP)
    checked(libc.shmdt(ctypes.c_void_p(address)))


def send_memfd() -> None:
    """A file in memory, of which only a message has a descriptor: memfd_create(2)."""
    fd = os.memfd_create("held")
    os.write(fd, bytes(STEP))
    ends[0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
    os.close(fd)


def write_files() -> None:
    """Files in the two file systems that a sandbox can fill."""
    for folder in ("/dev/shm", "/tmp"):
        with open(f"{folder}/big", "ab", buffering=0) as file:
            file.write(bytes(STEP))


def fill_queue() -> None:
    """A message queue of messages without text: msgget(2)."""
    queue = checked(libc.msgget(IPC_PRIVATE, IPC_CREAT | 0o600))
    message = ctypes.c_long(1)
    with contextlib.suppress(OSError):
        while True:
            checked(libc.msgsnd(queue, ctypes.byref(message), 0, 0o4000))


def make_semaphores() -> None:
    checked(libc.semget(IPC_PRIVATE, 32000, IPC_CREAT | 0o600))


KINDS: dict[str, Callable[[], None]] = {
    "segments": fill_segment,
    "memfds": send_memfd,
    "files": write_files,
    "queues": fill_queue,
    "semaphores": make_semaphores,
}


def main() -> None:
    error = ""
    try:
        for _ in range(int(sys.argv[2])):
            KINDS[sys.argv[1]]()
    except OSError as refusal:
        error = errno.errorcode[refusal.errno or 0]
    sys.stdout.write(f'"{error}"\n')


main()
