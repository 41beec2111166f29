"""The zygote: a small process that forks sandboxes, and clears up after them.

Started by the engine, with one socket to it. It dies when that socket closes, and everything that
it started dies with it: `PR_SET_PDEATHSIG` in every child, and the end of a PID 1 takes its whole
pid namespace with it, pid_namespaces(7).
"""

from __future__ import annotations

import errno
import gc
import os
import select
import signal
import socket
import sys

from ..kernel import prctl
from ..kernel.process_title import set_title
from ..protocol import wire
from ..protocol import zygote as messages
from ..protocol.common import Failed, KernelError
from ..protocol.criu import DumpRequest, RestoreRequest
from ..protocol.engine_socket import EngineSocket
from ..protocol.images import AddImageLayerRequest, RemoveUnpackedRequest, UnpackRequest
from ..protocol.message import BadMessage, DescriptorsLost
from .criu_requests import CriuRequests
from .file_requests import FileRequests
from .sandbox_table import SandboxTable
from .setup import set_up

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..protocol.message import Message
    from .setup import Setup

#: Milliseconds until a group that was still busy is removed again.
_RETRY = 20


class Zygote:
    """Waits for the engine, for helpers and for the dead, and has each served.

    Args:
        setup: what was set up.
        engine: the engine.
        wakeup: readable when a signal has come.
    """

    def __init__(self, setup: Setup, engine: EngineSocket, wakeup: int) -> None:
        self._engine = engine
        self._wakeup = wakeup
        self._config = setup.config
        self._cgroups = setup.cgroups
        self._files = files = FileRequests(
            *(setup.config, setup.shift, setup.ids, setup.user_namespace, engine),
            own_ids=setup.own_ids,
        )
        self._processes = CriuRequests(setup.bundle)
        self._sandboxes = SandboxTable(setup, engine, files, self._processes)
        self._handlers: dict[type[Message], Callable[[Any, int, list[int]], None]] = {
            messages.CreateRequest: self._sandboxes.create,
            messages.KeepBlankRequest: self._sandboxes.blank.keep,
            messages.DropBlankRequest: self._sandboxes.blank.drop,
            messages.KillRequest: self._sandboxes.kill,
            messages.FreeAgentRequest: self._sandboxes.free_agent,
            messages.UsageRequest: self._sandboxes.tell_usage,
            messages.SnapshotAtEndRequest: self._sandboxes.snapshot_at_end,
            messages.ExportRequest: files.export,
            messages.LoadRequest: files.load,
            messages.HideRequest: files.hide,
            messages.DropLayerRequest: self._drop_layer,
            messages.DropVolumeRequest: self._drop_volume,
            messages.LendLayerRequest: files.lend_layer,
            messages.TakeLayerRequest: files.take_layer,
            UnpackRequest: files.unpack,
            RemoveUnpackedRequest: files.remove_unpacked,
            AddImageLayerRequest: files.add_image_layer,
            DumpRequest: self._about_processes,
            RestoreRequest: self._about_processes,
        }

    def run(self) -> None:
        """Serve until the engine is gone; then end everything."""
        # What a collection touches, a forked child has to copy. So collect once, and keep later
        # collections, in children too, away from all that is there now.
        gc.collect()
        gc.freeze()
        try:
            self._sandboxes.births.forker.start()
            self._loop()
        finally:
            self._sandboxes.kill_all()
            self._sandboxes.births.forker.stop()
            # PR_SET_PDEATHSIG would end them too, but only after us: then nothing would be left to
            # collect them, and a group with a process in it cannot be removed.
            for pid in (*self._files.pids, *self._processes.pids):
                os.kill(pid, signal.SIGKILL)
            self._wait_for_all()
            self._cgroups.leave()

    def _loop(self) -> None:
        poll = select.poll()
        poll.register(self._engine, select.POLLIN)
        poll.register(self._wakeup, select.POLLIN)
        while self._engine.running:
            helpers = self._files.fds
            for fd in helpers:
                poll.register(fd, select.POLLIN)
            ready = poll.poll(self._pause())
            for fd in helpers:
                poll.unregister(fd)
            for fd, _ in ready:
                if fd == self._wakeup:
                    os.read(fd, 4096)
                    self._sandboxes.reap()
                elif fd == self._engine.fileno():
                    self._serve()
                else:
                    self._files.helper_ready(fd)

    def _wait_for_all(self) -> None:
        poll = select.poll()
        poll.register(self._wakeup, select.POLLIN)
        while self._sandboxes.reap():
            if poll.poll(self._pause()):
                os.read(self._wakeup, 4096)

    def _pause(self) -> float | None:
        """Do what is to be done again and again; milliseconds until then."""
        seconds = (self._sandboxes.end_overdue(), self._sandboxes.watch_memory())
        pauses = [each * 1000 for each in seconds if each is not None]
        if self._cgroups.sweep():
            pauses.append(_RETRY)
        return min(pauses, default=None)

    def _serve(self) -> None:
        try:
            request, number, fds = self._engine.receive(messages.ENGINE_TO_ZYGOTE)
        except BadMessage as error:
            refusal = OSError(errno.EPROTO, str(error), "")
            self._engine.tell(Failed.of(refusal), number=error.number)
            return
        except DescriptorsLost as lost:
            self._refuse(lost)
            return
        if request is not None:
            self._handlers.get(type(request), self._about_files)(request, number, fds)
            wire.close_all(fds)

    def _refuse(self, lost: DescriptorsLost) -> None:
        """Answer a request whose descriptors we could not take."""
        if lost.kind == messages.CreateRequest.__name__:
            error = KernelError.of(lost)
            self._engine.tell(
                messages.SandboxEnded(
                    name=str(lost.number), out_of_memory=False, failed=error, used=None
                )
            )
        elif lost.number:
            self._engine.tell(Failed.of(lost), number=lost.number)
        # Else it came with a socket for the answer, which is closed now.

    def _drop_layer(self, request: messages.DropLayerRequest, number: int, fds: list[int]) -> None:
        size = self._config.layers.usage(request.number)
        self._sandboxes.blank.layer_dropped(request.number, size)
        self._files.drop_layer(request, number, fds)

    def _drop_volume(
        self, request: messages.DropVolumeRequest, number: int, fds: list[int]
    ) -> None:
        size = self._config.volumes.usage(request.number)
        self._sandboxes.blank.volume_dropped(request.number, size)
        self._files.drop_volume(request, number, fds)

    def _about_files(self, request: Any, number: int, fds: list[int]) -> None:
        """Serve a request about the files of one sandbox."""
        _, record = self._sandboxes.find(request.name)
        self._files.about_sandbox(request, number, record)

    def _about_processes(
        self, request: DumpRequest | RestoreRequest, number: int, fds: list[int]
    ) -> None:
        pid, record = self._sandboxes.find(request.name)
        if record is not None:
            self._processes.begin(request, pid, record, fds)


def main() -> None:
    """Run the zygote; the only argument is the number of its socket."""
    sock = socket.socket(fileno=int(sys.argv[1]))
    sock.set_inheritable(False)
    set_title("pytest-sandbox zygote")
    # Out of the process group of the test run: a terminal sends its Ctrl-C to all of its foreground
    # group, setsid(2), termios(3).
    os.setsid()
    # Bound to the thread that started us, prctl(2): so the engine starts its zygote on the thread
    # of its event loop, which lives as long as it does.
    prctl.die_with_parent(signal.SIGTERM)
    engine = EngineSocket(sock)
    wakeup = _watch_signals(engine)
    setup = set_up(engine)
    if setup is not None:
        Zygote(setup, engine, wakeup).run()


def _watch_signals(engine: EngineSocket) -> int:
    """Have SIGTERM end the zygote; returns a descriptor that is readable when a signal has come.

    Without it a signal that comes just before poll(2) would not be served until something else
    wakes that: Python's own handlers run only between two of its instructions.
    """
    wakeup, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the engine's business
    signal.signal(signal.SIGTERM, lambda *_: engine.stop())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    return wakeup
