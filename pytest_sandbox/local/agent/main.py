"""PID 1 of a sandbox: starts processes, reaps them, and works on files from inside.

It runs with the rights of root in the sandbox and no more. It imports nothing once it runs: the
sandbox's own files are all that it could import from.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import time

from .. import wire
from ..kernel.errors import describe
from . import files, jobs, pause, ports, spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from ..wire import Message


#: How often, and for how many seconds at a time, to wait for what is about to end.
_MOMENTS, _MOMENT = 10, 0.0003


class Agent:
    """Serves one engine over one socket, in one thread, until the socket closes."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._processes: dict[int, int] = {}  # pid -> the engine's name for the process
        self._main: int | None = None
        self._over = False
        self._stillness = pause.Stillness()
        self._handlers = {
            "exec": self._exec,
            "adopt": self._adopt,
            "signal": self._signal,
            "ping": lambda *_: ({}, ()),
            "open": lambda request, _: ({}, (files.open_file(request),)),
            "stat": lambda request, _: (files.describe_path(request), ()),
            "mkdir": lambda request, _: (files.make_directory(request), ()),
            "remove": lambda request, _: (files.remove(request), ()),
            "connect": lambda request, _: ({}, (ports.begin_connection(request),)),
            "job": self._job,
            "halt": self._halt,
            "resume": self._resume,
        }
        self._wakeup, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def run(self) -> None:
        """Serve; returns when the sandbox is over."""
        wire.send(self._sock, {"ready": True})
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        poll.register(self._wakeup, select.POLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd == self._wakeup:
                    os.read(fd, 4096)
                    if not self._reap():
                        return
                elif not self._serve():
                    return

    def _serve(self) -> bool:
        message, fds = wire.receive_request(self._sock)
        if message is None:
            return False
        passed: tuple[int, ...] = ()
        try:
            answer, passed = self._handlers[message["op"]](message, fds)
            answer = {"id": message["id"], "ok": answer}
        except OSError as error:
            answer = {"id": message["id"], "error": describe(error)}
        finally:
            wire.close_all(fds)
        wire.send(self._sock, answer, passed)
        wire.close_all(list(passed))
        return True

    def _reap(self) -> bool:
        """Collect the dead; False once the main process is among them."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return not self._over
            if pid == 0:
                return not self._over
            name = self._processes.pop(pid, None)
            if name is not None:
                wire.send(self._sock, {"exit": name, "status": os.waitstatus_to_exitcode(status)})
            if pid == self._main:
                self._over = True
                return False

    def _exec(self, request: Message, fds: list[int]) -> tuple[Message, tuple[int, ...]]:
        pid, passed = spawn.spawn(request, fds)
        self._processes[pid] = request["id"]
        if request["main"]:
            self._main = pid
        return {"pid": pid}, passed

    def _halt(self, request: Message, fds: list[int]) -> tuple[Message, tuple[int, ...]]:
        idle = self._is_idle()
        if not idle:
            self._stillness.begin(strictly=request["strictly"])
        return {"idle": idle, "still": sorted(self._stillness.still)}, ()

    def _resume(self, request: Message, fds: list[int]) -> tuple[Message, tuple[int, ...]]:
        self._stillness.end()
        return {}, ()

    def _is_idle(self) -> bool:
        """Whether there is no process but this one; jobs that have answered may still be ending."""
        for _ in range(_MOMENTS):
            if not self._reap():
                raise ProcessLookupError(errno.ESRCH, "the sandbox is over", "")
            try:
                os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return True
            if self._processes:
                return False
            time.sleep(_MOMENT)
        return False

    def _adopt(self, request: Message, fds: list[int]) -> tuple[Message, tuple[int, ...]]:
        """A process is going to be restored as a child of ours, which then is the main one."""
        self._main = request["pid"]
        self._processes[self._main] = request["id"]
        return {}, ()

    def _signal(self, request: Message, fds: list[int]) -> tuple[Message, tuple[int, ...]]:
        pids = [pid for pid, name in self._processes.items() if name == request["process"]]
        for pid in pids:
            spawn.signal_session(pid, request["number"])
        return {}, ()

    def _job(self, request: Message, fds: list[int]) -> tuple[Message, tuple[int, ...]]:
        job = jobs.Job(request)
        try:
            if os.fork() == 0:
                try:
                    self._sock.close()
                    jobs.run(job, fds)
                finally:
                    os._exit(0)
        finally:
            job.close()
        return {}, ()
