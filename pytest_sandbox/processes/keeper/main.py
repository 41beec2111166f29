"""The keeper: forks the agents of tasks, ends all that descends from them, and tidies up.

Started by the engine, with one socket to it. It is the parent of every process of every task, or
of what they descend from, as it adopts orphans. When the engine is gone, however it ended, the
socket closes: then the keeper ends all of them, removes their folders, and ends.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys

from pytest_sandbox.local.kernel import landlock, prctl, seccomp, syscalls
from pytest_sandbox.local.kernel.process_title import set_title
from pytest_sandbox.local.protocol import wire
from pytest_sandbox.local.protocol.common import KernelError
from pytest_sandbox.local.protocol.engine_socket import EngineSocket
from pytest_sandbox.local.protocol.message import BadMessage, DescriptorsLost

from . import messages
from .agent import KeptAgent, Restrictions, be_agent
from .descendants import end_descendants, end_user
from .folders import TaskFolders
from .ids import NoOwnIds, OwnIds


class Keeper:
    """Waits for the engine and for the dead.

    Args:
        engine: the engine.
        wakeup: readable when a signal has come.
        folders: those of the tasks.
        ids: their user ids, if each has one.
        restrictions: what they give up.
    """

    def __init__(
        self,
        engine: EngineSocket,
        wakeup: int,
        folders: TaskFolders,
        ids: OwnIds | None,
        restrictions: Restrictions,
    ) -> None:
        self._engine = engine
        self._wakeup = wakeup
        self._folders = folders
        self._ids = ids
        self._restrictions = restrictions
        self._agent = KeptAgent()
        self._names: dict[int, int] = {}  # by pid of the agent
        self._uids: dict[int, int] = {}  # by name
        self._dead: list[int] = []  # names of tasks whose agents are gone

    def run(self) -> None:
        """Serve until the engine is gone; then end everything."""
        # As in the zygote: what a collection touches, a forked child has to copy.
        gc.collect()
        gc.freeze()
        try:
            self._loop()
        finally:
            for uid in set(self._uids.values()):
                end_user(uid)
            end_descendants()
            self._folders.remove_all()

    def _loop(self) -> None:
        poll = select.poll()
        poll.register(self._engine, select.POLLIN)
        poll.register(self._wakeup, select.POLLIN)
        while self._engine.running:
            for fd, _ in poll.poll():
                if fd == self._wakeup:
                    os.read(fd, 4096)
                    self._reap()
                    self._finish()
                else:
                    self._serve()

    def _serve(self) -> None:
        try:
            request, _, fds = self._engine.receive(messages.ENGINE_TO_KEEPER)
        except DescriptorsLost as lost:
            self._tell_gone(lost.number, KernelError.of(lost))
            return
        except BadMessage:
            self._engine.stop()
            return
        if isinstance(request, messages.StartAgentRequest):
            self._start(request, fds)
        elif isinstance(request, messages.EndAgentRequest):
            self._end(request.name)
        wire.close_all(fds)

    def _start(self, request: messages.StartAgentRequest, fds: list[int]) -> None:
        name, uid = request.name, None
        try:
            if self._ids is not None:
                uid = self._uids[name] = self._ids.take()
            folder = self._folders.make(name, uid)
            sock = socket.socket(fileno=os.dup(fds[0]))
            try:
                pid = os.fork()
                if pid == 0:
                    be_agent(
                        *(self._agent, sock, self._restrictions, folder, uid, request.processes)
                    )
            finally:
                sock.close()
        except OSError as error:
            self._tidy(name, KernelError.of(error))
            return
        self._names[pid] = name
        self._engine.tell(messages.AgentStarted(name=name, pid=pid))

    def _end(self, name: int) -> None:
        for pid, each in self._names.items():
            if each == name:
                with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                    os.kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        """Collect the dead, and note which tasks have ended with their agents."""
        with contextlib.suppress(ChildProcessError):
            while pid := os.waitpid(-1, os.WNOHANG)[0]:
                name = self._names.pop(pid, None)
                if name is not None:
                    self._dead.append(name)

    def _finish(self) -> None:
        """End what is left of tasks whose agents are gone."""
        while self._dead:
            dead, self._dead = self._dead, []
            for uid in [self._uids[name] for name in dead if name in self._uids]:
                end_user(uid)
            end_descendants(self._names, self._reap)
            for name in dead:
                self._tidy(name, None)

    def _tidy(self, name: int, failed: KernelError | None) -> None:
        left = self._folders.remove(str(name))
        uid = self._uids.pop(name, None)
        # What is left of a folder belongs to that user: nobody else may get the id.
        if uid is not None and self._ids is not None and not left:
            self._ids.give_back(uid)
        self._tell_gone(name, failed, left)

    def _tell_gone(self, name: int, failed: KernelError | None, left: str = "") -> None:
        self._engine.tell(messages.AgentGone(name=name, failed=failed, left=left))


def main() -> None:
    """Run the keeper; the only argument is the number of its socket."""
    sock = socket.socket(fileno=int(sys.argv[1]))
    sock.set_inheritable(False)
    set_title("pytest-sandbox keeper")
    # Out of the process group of the test run: a terminal sends its Ctrl-C to all of its foreground
    # group, setsid(2), termios(3).
    os.setsid()
    prctl.adopt_orphans()
    engine = EngineSocket(sock)
    wakeup = _watch_signals(engine)
    setup = engine.receive(messages.ENGINE_TO_KEEPER)[0]
    if isinstance(setup, messages.KeeperSetup):
        _keep(engine, wakeup, setup)


def _keep(engine: EngineSocket, wakeup: int, setup: messages.KeeperSetup) -> None:
    try:
        folders = TaskFolders(setup.folder)
        ids = OwnIds() if os.geteuid() == 0 else None
    except (NoOwnIds, OSError) as error:
        engine.tell(messages.KeeperFailed(reason=str(error)))
        return
    version = landlock.version() if setup.landlock else 0
    try:
        # Landlock knows ports of TCP only.
        tcp_only = version >= landlock.PORTS_SINCE
        program = seccomp.program(syscalls.MACHINE, tcp_only=tcp_only, shared_user=True)
    except KeyError:
        program = None
    restrictions = Restrictions(version, setup.ports, program)
    engine.tell(
        messages.KeeperReady(
            landlock=version, own_ids=ids is not None, filtered=program is not None
        )
    )
    Keeper(engine, wakeup, folders, ids, restrictions).run()


def _watch_signals(engine: EngineSocket) -> int:
    """Have SIGTERM end the keeper; returns a descriptor that is readable when a signal has come."""
    wakeup, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the engine's business
    signal.signal(signal.SIGTERM, lambda *_: engine.stop())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    return wakeup
