"""PID 1 of a sandbox: starts processes, reaps them, and works on files from inside.

It runs with the rights of root in the sandbox and no more. It can import nothing, see `stage`: the
sandbox's own files are all that it could import from.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket
import time

from ..protocol import agent as messages
from ..protocol import jobs as job_messages
from ..protocol import sure, wire
from ..protocol.common import DescriptorAnswer, Failed, Succeeded
from ..protocol.message import BadMessage, DescriptorsLost
from . import files, jobs, ports, spawn
from .outlet import PortRequests
from .pause import SandboxPause
from .warm_up import warm_up

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from ..protocol.message import Message

    #: What a request is answered with, and the descriptors beside it, which are closed then.
    Answer: TypeAlias = tuple[Message, tuple[int, ...]]
    Handler: TypeAlias = Callable[[Any, list[int]], Answer]

#: How often, and for how many seconds at a time, to wait for processes that are about to end.
_ATTEMPTS, _ATTEMPT = 10, 0.0003
#: Dead processes that are collected in one go.
_TURN = 1000
#: How often a job that a program stops is resumed, before it is killed.
_RESUMES = 100


class Agent:
    """Serves one engine over one socket, in one thread, until the socket closes.

    The zygote makes one, which each PID 1 is forked with.
    """

    _sock: socket.socket
    _wakeup: int
    _wake: int

    def __init__(self) -> None:
        self._port_requests: PortRequests | None = None
        self._poll = select.poll()
        self._processes: dict[int, int] = {}  # pid -> the engine's number for the process
        self._jobs: dict[int, int] = {}  # pid -> how often it may be resumed
        self._main: int | None = None
        self._over = False
        self._pause = SandboxPause()
        self._handlers: dict[type[Message], Handler] = {
            messages.SpawnRequest: self._exec,
            messages.AdoptRequest: self._adopt,
            messages.SignalRequest: self._signal,
            messages.PingRequest: lambda *_: (Succeeded(), ()),
            messages.WarmUpRequest: self._warm_up,
            messages.OpenRequest: self._open,
            messages.StatRequest: self._stat,
            messages.MakeDirectoryRequest: self._make_directory,
            messages.RemoveRequest: self._remove,
            messages.ReplaceRequest: self._replace,
            messages.ConnectRequest: self._connect,
            messages.GatewayRequest: self._serve_new_gateway,
            messages.PauseRequest: self._begin_pause,
            messages.ResumeRequest: self._end_pause,
            **dict.fromkeys(job_messages.JOBS, self._start_job),
            job_messages.EndJobRequest: self._end_job,
        }

    def begin(self, sock: socket.socket, port_requests: PortRequests | None = None) -> None:
        """Begin to serve.

        Args:
            sock: to the engine.
            port_requests: of the gateway, if the sandbox has a way out.
        """
        self._sock = sock
        self._port_requests = port_requests
        # Python runs a handler of a signal only between two instructions of its own. The pipe
        # wakes poll(2), so that no exit is missed that comes just before it blocks. That of SIGCHLD
        # is the zygote's, which does nothing.
        self._wakeup, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)

    def end(self) -> None:
        """Give back what `begin` and `run` took; PID 1 ends instead."""
        signal.set_wakeup_fd(-1)
        for fd in (self._wakeup, self._wake):
            os.close(fd)
        for registered in (self._sock, self._wakeup):
            self._poll.unregister(registered)

    def run(self) -> bool:
        """Serve; returns when the sandbox has ended, with whether its main process has."""
        self._poll.register(self._sock, select.POLLIN)
        self._poll.register(self._wakeup, select.POLLIN)
        self._listen_to_gateway()
        while True:
            for fd, _ in self._poll.poll():
                if self._port_requests is not None and fd == self._port_requests.sock.fileno():
                    self._serve_gateway()
                elif fd == self._wakeup:
                    # All bytes: poll(2) returns at once as long as one is left.
                    os.read(fd, 4096)
                    if not self._reap():
                        return True
                    self._resume_jobs()
                elif not self._serve():
                    return False

    def _serve(self) -> bool:
        """Answer one request; False at the end of the conversation."""
        passed: tuple[int, ...] = ()
        answer: Message
        try:
            request, number, fds = wire.receive_request(self._sock, messages.ENGINE_TO_AGENT)
        # The engine waits for the answer to each number, so what makes no sense gets one too.
        except BadMessage as error:
            refusal = OSError(errno.EPROTO, str(error), "")
            self._tell(Failed.of(refusal), number=error.number)
            return True
        except DescriptorsLost as lost:
            self._tell(Failed.of(lost), number=lost.number)
            return True
        if request is None:
            return False
        try:
            answer, passed = self._handlers[type(request)](request, fds)
        except OSError as error:
            answer = Failed.of(error)
        # A fault of ours fails one request, and not the whole sandbox, which ends with PID 1.
        except Exception as error:
            answer = Failed.of(OSError(errno.EIO, repr(error), ""))
        finally:
            wire.close_all(fds)
        try:
            self._tell(answer, passed, number=number)
        finally:
            wire.close_all(list(passed))
        return True

    def _serve_gateway(self) -> None:
        assert self._port_requests is not None
        # While programs are stopped, their listeners are to stay as they are: they may be saved.
        if self._pause.holds:
            self._poll.unregister(self._port_requests.sock)
        elif not self._port_requests.serve():
            self._poll.unregister(self._port_requests.sock)
            self._port_requests = None

    def _listen_to_gateway(self) -> None:
        if self._port_requests is not None:
            self._poll.register(self._port_requests.sock, select.POLLIN)

    def _tell(self, message: Message, passed: tuple[int, ...] = (), *, number: int = 0) -> None:
        """Send a message to the engine; raises only if the engine is gone."""
        sure.send(self._sock, message, passed, number=number)

    def _reap(self) -> bool:
        """Collect the dead; False once the main process is among them.

        PID 1 gets all orphans of its pid namespace as children, pid_namespaces(7): a process that
        is not in `_processes` is one of those, or a job.
        """
        for _ in range(_TURN):
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return not self._over
            if pid == 0:
                return not self._over
            self._jobs.pop(pid, None)
            process = self._processes.pop(pid, None)
            if process is not None:
                status = os.waitstatus_to_exitcode(status)
                self._tell(messages.ProcessExited(process=process, status=status))
            # PID 1 then exits, and the kernel kills whatever else is in its pid namespace:
            # pid_namespaces(7).
            if pid == self._main:
                self._over = True
                return False
        # Programs may make orphans as fast as we collect them; the engine wants its turn.
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake, b"\0")
        return not self._over

    def _resume_jobs(self) -> None:
        """Resume jobs that programs have stopped; one that they stop for ever is killed."""
        # A stop of a child comes as SIGCHLD too: sigaction(2), SA_NOCLDSTOP.
        for pid in [] if self._pause.holds else list(self._jobs):
            try:
                stopped = os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG) is not None
            except ChildProcessError:
                continue  # it is dead, and `_reap` has not seen that yet
            if stopped:
                self._jobs[pid] -= 1
                os.kill(pid, signal.SIGCONT if self._jobs[pid] >= 0 else signal.SIGKILL)

    def _exec(self, request: messages.SpawnRequest, fds: list[int]) -> Answer:
        pid, passed = spawn.spawn(request, fds)
        self._processes[pid] = request.process
        if request.main:
            self._main = pid
        return messages.SpawnAnswer(pid=pid), passed

    def _warm_up(self, request: messages.WarmUpRequest, fds: list[int]) -> Answer:
        warm_up()
        return Succeeded(), ()

    def _adopt(self, request: messages.AdoptRequest, fds: list[int]) -> Answer:
        """Take a process for the main one that is going to be restored as a child of ours."""
        self._main = request.pid
        self._processes[request.pid] = request.process
        return Succeeded(), ()

    def _signal(self, request: messages.SignalRequest, fds: list[int]) -> Answer:
        pids = [pid for pid, process in self._processes.items() if process == request.process]
        for pid in pids:
            spawn.signal_session(pid, request.number)
        return Succeeded(), ()

    def _open(self, request: messages.OpenRequest, fds: list[int]) -> Answer:
        fd = files.open_file(request.path, request.flags, request.mode)
        return DescriptorAnswer(), (fd,)

    def _stat(self, request: messages.StatRequest, fds: list[int]) -> Answer:
        info = os.stat(request.path) if request.follow else os.lstat(request.path)
        return messages.StatAnswer(info=files.describe(request.path, info)), ()

    def _make_directory(self, request: messages.MakeDirectoryRequest, fds: list[int]) -> Answer:
        files.make_directory(request.path, parents=request.parents)
        return Succeeded(), ()

    def _remove(self, request: messages.RemoveRequest, fds: list[int]) -> Answer:
        files.remove(request.path)
        return Succeeded(), ()

    def _replace(self, request: messages.ReplaceRequest, fds: list[int]) -> Answer:
        files.replace(request.source, request.target)
        return Succeeded(), ()

    def _connect(self, request: messages.ConnectRequest, fds: list[int]) -> Answer:
        return DescriptorAnswer(), (ports.begin_connection(request.family, request.port),)

    def _serve_new_gateway(self, request: messages.GatewayRequest, fds: list[int]) -> Answer:
        if self._port_requests is not None:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), "")
        self._port_requests = PortRequests(socket.socket(fileno=fds.pop()))
        self._listen_to_gateway()
        return Succeeded(), ()

    def _begin_pause(self, request: messages.PauseRequest, fds: list[int]) -> Answer:
        idle = self._is_idle()
        if not idle:
            self._pause.begin(strictly=request.strictly)
        stopped = sorted(self._pause.stopped_before)
        return messages.PauseAnswer(idle=idle, stopped=stopped), ()

    def _end_pause(self, request: messages.ResumeRequest, fds: list[int]) -> Answer:
        self._pause.end()
        self._listen_to_gateway()
        self._resume_jobs()  # those that were stopped before
        return Succeeded(), ()

    def _is_idle(self) -> bool:
        """Whether there is no process but this one; jobs that have answered may still be ending."""
        for _ in range(_ATTEMPTS):
            if not self._reap():
                raise ProcessLookupError(errno.ESRCH, "the sandbox has ended", "")
            try:
                # Whether there is any child at all; one that is dead is left to `_reap`.
                os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return True
            if self._processes:
                return False
            time.sleep(_ATTEMPT)
        return False

    def _start_job(self, request: jobs.Request, fds: list[int]) -> Answer:
        job = jobs.Job(request)
        try:
            # A job is more of this program, with the modules that are loaded: none can be imported
            # any more, so it cannot be another program.
            pid = os.fork()
            if pid == 0:
                try:
                    self._sock.close()
                    if self._port_requests is not None:
                        self._port_requests.sock.close()
                    jobs.run(job, fds)
                finally:
                    os._exit(0)
            self._jobs[pid] = _RESUMES
        finally:
            job.close()
        return job_messages.JobStarted(pid=pid), ()

    def _end_job(self, request: job_messages.EndJobRequest, fds: list[int]) -> Answer:
        if request.pid in self._jobs:
            os.kill(request.pid, signal.SIGKILL)
        return Succeeded(), ()
