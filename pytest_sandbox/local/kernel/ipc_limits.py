"""Bounds of a System V IPC namespace: memory that belongs to no process, ipc_namespaces(7)."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .calls import PreparedCalls

#: The part of the bound that message queues may take, and semaphores too: shared memory is what
#: programs use most of.
_PART = 8
#: Bytes that a queue may take: 16384 messages (`msg_ctlmnb`, include/uapi/linux/msg.h) of a slab
#: object of 64 bytes each. A message without text counts as nothing else: do_msgsnd in ipc/msg.c.
_QUEUE = 1 << 20
#: Bytes of a semaphore: `struct sem` in ipc/sem.c is aligned to a line of the processor's cache.
_SEMAPHORE = 64
#: The kernel's own defaults, include/uapi/linux/sem.h: semaphores in a set, operations in a call,
#: sets.
_IN_A_SET, _OPERATIONS, _SETS = 32000, 500, 32000


def set_for_namespace(proc: str, size: int, calls: PreparedCalls) -> None:
    """Have `calls` bound what the IPC namespace may hold in which they are made.

    The files are those of the namespace of the process that writes to them. They belong to its
    root since Linux 6.9 (ipc/ipc_sysctl.c), and before to root of the machine, so that in a user
    namespace the kernel's defaults stay: nearly unlimited.

    Args:
        proc: where proc(5) is mounted.
        size: bytes of memory.
        calls: made where that is.
    """
    page = os.sysconf("SC_PAGE_SIZE")
    queues = max(1, size // _PART // _QUEUE)
    semaphores = max(_OPERATIONS, size // _PART // _SEMAPHORE)
    for name, value in {
        "shmmax": f"{size}",
        "shmall": f"{size // page}",
        "msgmni": f"{min(queues, 32000)}",
        "sem": f"{_IN_A_SET} {semaphores} {_OPERATIONS} {_SETS}",
    }.items():
        calls.do(_write, f"{proc}/sys/kernel/{name}", value.encode())


def _write(path: str, value: bytes) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, value)
        finally:
            os.close(fd)
    except PermissionError:
        return
