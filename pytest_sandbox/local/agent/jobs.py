"""Work on files that takes long: done by a process forked from PID 1, with its rights.

A job talks to the engine over a socket of its own; `protocol.jobs` has what they say.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket

from pytest_sandbox._shared.trees.tree_remover import remove_tree

from ..protocol import jobs as messages
from ..protocol import wire
from ..protocol.common import Failed, Succeeded
from . import files, pack, unpack
from .tree_watch import TreeWatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from ..protocol.message import Message
    from .tree_watch import Kind, Tell

    Request: TypeAlias = (
        messages.ListDirectoryJob
        | messages.RemoveTreeJob
        | messages.WatchJob
        | messages.PackJob
        | messages.UnpackJob
    )

#: Seconds after which a job says that it runs, each time.
_SIGN = 0.25
_BATCH = wire.PACKET // 2  # bytes; an entry has at most 30 KiB: a link's text, escaped


class Job:
    """One piece of work; made in PID 1, done in the forked process.

    A watch is set when its job is made, so before anything that is asked for later.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._watch: TreeWatch | None = None
        if isinstance(request, messages.WatchJob):
            self._watch = TreeWatch(request.path, recursive=request.recursive)

    def do(self, sock: socket.socket, fds: list[int]) -> None:
        """Do the work, and send what it finds over `sock`."""
        path = self._request.path
        if self._watch is not None:
            self._watch.report(sock, _teller(sock))
            return
        _show_that_it_runs(sock)
        if isinstance(self._request, messages.ListDirectoryJob):
            _list_directory(path, sock)
        elif isinstance(self._request, messages.RemoveTreeJob):
            remove_tree(path)
        elif isinstance(self._request, messages.PackJob):
            pack.pack(path, fds[0], file=self._request.file)
        else:
            unpack.unpack(path, fds[0])

    def close(self) -> None:
        """Release what PID 1 has open for it."""
        if self._watch is not None:
            self._watch.close()


def run(job: Job, fds: list[int]) -> None:
    """Do the work and send its result, in the forked process, which then ends.

    Args:
        job: what to do.
        fds: the job's socket, then its pipe if it has one.
    """
    # The pipe came along with the fork: signals of this process would wake PID 1.
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    sock = socket.socket(fileno=fds[0])
    answer: Message = Succeeded()
    try:
        job.do(sock, fds[1:])
    except OSError as error:
        answer = Failed.of(error)
    except Exception as error:
        answer = Failed.of(OSError(errno.EIO, repr(error), ""))
    signal.setitimer(signal.ITIMER_REAL, 0)
    with contextlib.suppress(OSError):  # the engine may have lost interest
        wire.send(sock, answer)


def _show_that_it_runs(sock: socket.socket) -> None:
    """Send `JobRuns` as often as this process gets to do so."""

    def send(*_: object) -> None:
        # When the engine has lost interest, the work is done nevertheless.
        with contextlib.suppress(OSError):
            wire.send(sock, messages.JobRuns())

    signal.signal(signal.SIGALRM, send)
    signal.setitimer(signal.ITIMER_REAL, _SIGN, _SIGN)


def _teller(sock: socket.socket) -> Tell:
    def tell(kind: Kind, paths: list[str]) -> None:
        wire.send(sock, messages.FileChanged(kind=kind, paths=paths))

    return tell


def _list_directory(path: str, sock: socket.socket) -> None:
    batch: list[messages.DirectoryEntry] = []
    size = 0
    for name in sorted(os.listdir(path)):
        whole = os.path.join(path, name)
        try:
            info = files.describe(whole, os.lstat(whole))
        except (FileNotFoundError, NotADirectoryError):
            continue  # that name, or the whole directory, was removed or replaced meanwhile
        entry = messages.DirectoryEntry(name=name, info=info)
        length = len(wire.encode(entry))
        if size + length > _BATCH and batch:
            wire.send(sock, messages.DirectoryEntries(entries=batch))
            batch, size = [], 0
        batch.append(entry)
        size += length
    wire.send(sock, messages.DirectoryEntries(entries=batch))
