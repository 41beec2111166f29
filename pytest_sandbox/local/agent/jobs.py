"""Work on files that takes long: done by a process forked from PID 1, with its rights.

A job talks to the engine over a socket of its own: any number of messages, the last of which
says `done` or `error`. It ends when the engine closes that socket.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket

from .. import wire
from ..kernel.errors import describe
from . import pack, remove, unpack
from .files import entry
from .tree_watch import TreeWatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..wire import Message

_BATCH = wire.PACKET // 2  # bytes; an entry has at most 30 KiB: a link's text, escaped


class Job:
    """One piece of work; made in PID 1, done in the forked process.

    A watch is set when its job is made, so before anything that is asked for later.
    """

    def __init__(self, request: Message) -> None:
        self._path = request["path"]
        self._kind = request["job"]
        self._watch: TreeWatch | None = None
        if self._kind == "watch":
            self._watch = TreeWatch(self._path, recursive=request["recursive"])

    def do(self, sock: socket.socket, fds: list[int]) -> Message:
        """Do it; what it has to say at the end."""
        if self._watch is not None:
            return self._watch.report(sock)
        if self._kind == "listdir":
            return _listdir(self._path, sock)
        if self._kind == "remove":
            return remove.remove_tree(self._path)
        if self._kind == "pack":
            return pack.pack(self._path, fds[0])
        return unpack.unpack(self._path, fds[0])

    def close(self) -> None:
        """PID 1 keeps nothing of it."""
        if self._watch is not None:
            self._watch.close()


def run(job: Job, fds: list[int]) -> None:
    """Do it, and tell; in the forked process, which ends with it.

    Args:
        job: what to do.
        fds: the job's socket, then its pipe if it has one.
    """
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    sock = socket.socket(fileno=fds[0])
    try:
        answer = {"done": job.do(sock, fds[1:])}
    except OSError as error:
        answer = {"error": describe(error)}
    with contextlib.suppress(OSError):  # the engine may have lost interest
        wire.send(sock, answer)


def _listdir(path: str, sock: socket.socket) -> Message:
    batch: list[list[object]] = []
    size = 0
    for name in sorted(os.listdir(path)):
        whole = os.path.join(path, name)
        try:
            found = [name, *entry(whole, os.lstat(whole))]
        except FileNotFoundError:
            continue  # gone since
        length = len(wire.encode({"": found}))
        if size + length > _BATCH and batch:
            wire.send(sock, {"entries": batch})
            batch, size = [], 0
        batch.append(found)
        size += length
    wire.send(sock, {"entries": batch})
    return {}
