"""Which processes of this machine may talk to the server over its Unix socket.

The permissions of the socket already keep out other users. What they do not keep out is a program
in a container or a sandbox that has our user id, or that of root, and got at the socket by mistake:
by a directory that is mounted, or a descriptor that somebody left open; or because its sandbox has
no namespaces of its own, as those of the engine of processes.
"""

import contextlib
import os
import select
import socket
import struct

from pytest_sandbox._shared.namespaces_of import namespaces_of

#: include/uapi/asm-generic/socket.h; since Linux 6.5. Python has no name for it.
_SO_PEERPIDFD = 77
_UCRED = struct.Struct("iII")  # unix(7), SO_PEERCRED


def refusal(sock: socket.socket) -> str:
    """Why the process that connected may not talk to us; empty if it may.

    That is a process of our user or of root, in our pid and user namespaces, and with no more
    filters of system calls than we have: programs of a sandbox have more. One that we may not look
    at is refused too.

    Args:
        sock: our end of its connection, over a Unix socket.
    """
    pid, uid, _ = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    if uid not in (0, os.geteuid()):
        return f"it belongs to user {uid}"
    if pid == 0:  # what the kernel says of processes that our pid namespace does not show
        return "it is not in our pid namespace"
    try:
        theirs, filters = _confinement_of_peer(sock, pid)
    except OSError as error:
        return f"its namespaces cannot be told: {error}"
    if theirs != namespaces_of("self"):
        return f"process {pid} is in other namespaces"
    if filters > _filters_of("self"):
        return f"process {pid} is a program of a sandbox: its system calls are filtered"
    return ""


def _confinement_of_peer(sock: socket.socket, pid: int) -> tuple[list[int], int]:
    with contextlib.closing(_Pidfd(sock, pid)) as peer:
        found = namespaces_of(pid), _filters_of(pid)
        # Only now: as long as it lives, no other process can have its number.
        if peer.has_ended():
            raise ProcessLookupError(f"process {pid} has ended")
        return found


def _filters_of(pid: int | str) -> int:
    """How many filters of system calls a process has; 0 where the kernel does not say.

    `Seccomp_filters` of proc_pid_status(5), since Linux 5.9.
    """
    with open(f"/proc/{pid}/status", "rb") as file:
        for line in file:
            if line.startswith(b"Seccomp_filters:"):
                return int(line.split()[1])
    return 0


class _Pidfd:
    """A reference to the process that connected: pidfd_open(2)."""

    def __init__(self, sock: socket.socket, pid: int) -> None:
        try:
            self._fd = sock.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD)
        except OSError:  # an older kernel, or the process is gone
            self._fd = os.pidfd_open(pid)

    def has_ended(self) -> bool:
        """Whether the process has ended."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Release it."""
        os.close(self._fd)
