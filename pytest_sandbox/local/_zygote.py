"""The zygote: a small process that forks sandboxes, and clears up after them.

Started by the engine with `_bootstrap`, with one socket to it. It dies when that socket closes,
and everything that it started dies with it.
"""

from __future__ import annotations

import errno
import gc
import os
import select
import signal
import socket
import sys

from . import _box, _idmap, _mounts, _seccomp, _stage, _wire
from . import _syscalls as sys_
from ._cgroups import Cgroups
from ._errors import describe
from ._harden import Hardening

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._wire import Message

#: Milliseconds until a group that was still busy is removed again.
_RETRY = 20


class Zygote:
    """Serves `create` and `kill`; tells the engine of each sandbox that ended."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._boxes: dict[int, str] = {}  # pid of PID 1 -> the engine's name for the sandbox
        self._wakeup, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: self._stop())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        self._running = True
        self._handlers = {"create": self._create, "kill": self._kill}

    def _stop(self) -> None:
        self._running = False

    def setup(self) -> bool:
        """Do what the first message says: enter namespaces, build the stage."""
        message, _ = _wire.receive_request(self._sock)
        if message is None:
            return False
        try:
            self._setup(message)
        except OSError as error:
            self._cgroups.leave()
            self._tell({"failed": describe(error)})
            return False
        controllers, refused = self._cgroups.controllers, self._cgroups.refused
        report = {"controllers": controllers, "refused": refused, "cgroups": self._cgroups.paths}
        self._tell({"ready": True, **report})
        return True

    def _setup(self, message: Message) -> None:
        self._shift = message["shift"]
        self._ids = message["ids"]
        self._cgroups = Cgroups()
        if message["rootless"]:
            sys_.unshare(sys_.CLONE_NEWUSER | sys_.CLONE_NEWNS)
            self._tell({"unshared": True})
            if _wire.receive_request(self._sock)[0] is None:
                raise OSError(errno.EPIPE, "the engine is gone", "")
            _idmap.become_root()
        else:
            sys_.unshare(sys_.CLONE_NEWNS)
        # Changing ids cleared it.
        sys_.prctl(sys_.PR_SET_PDEATHSIG, signal.SIGTERM)
        hardening = Hardening(_seccomp.program(sys_.MACHINE))
        masks = _mounts.Masks()
        trees = [(path, writable) for path, writable in message["trees"]]
        _stage.build(trees, message["links"], shift=self._shift)
        self._blueprint = _box.Blueprint(
            trees, message["size"], message["inodes"], masks, hardening
        )

    def run(self) -> None:
        """Serve until the engine is gone; then end everything."""
        gc.collect()
        gc.freeze()
        try:
            self._loop()
        finally:
            for pid in self._boxes:
                os.kill(pid, signal.SIGKILL)
            self._reap(0)
            self._cgroups.leave()

    def _loop(self) -> None:
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        poll.register(self._wakeup, select.POLLIN)
        while self._running:
            for fd, _ in poll.poll(_RETRY if self._cgroups.sweep() else None):
                if fd == self._wakeup:
                    os.read(fd, 4096)
                    self._reap(os.WNOHANG)
                elif not self._serve():
                    self._running = False

    def _serve(self) -> bool:
        message, fds = _wire.receive_request(self._sock)
        if message is None:
            return False
        self._handlers[message["op"]](message, fds)
        _wire.close_all(fds)
        return True

    def _create(self, message: Message, fds: list[int]) -> None:
        try:
            self._fork(message, fds[0])
        except OSError as error:
            self._tell({"ended": message["name"], "failed": describe(error)})

    def _fork(self, message: Message, sock_fd: int) -> None:
        doors = self._cgroups.prepare(message)
        gate, opener = os.pipe2(os.O_CLOEXEC)

        def child() -> None:
            os.close(opener)
            _box.run(self._blueprint, message, socket.socket(fileno=sock_fd), gate, doors)

        try:
            pid = sys_.clone(_box.NAMESPACES, child, doors.folder)
            self._boxes[pid] = message["name"]
            self._tell({"born": message["name"], "pid": pid})
            _idmap.write_map(pid, self._shift, self._ids)
            os.write(opener, b"g")
        except OSError:
            self._cgroups.dismiss(message["name"])
            raise
        finally:
            doors.close()
            os.close(gate)
            os.close(opener)

    def _kill(self, message: Message, fds: list[int]) -> None:
        for pid, name in self._boxes.items():
            if name == message["name"]:
                os.kill(pid, signal.SIGKILL)

    def _reap(self, flags: int) -> None:
        while self._boxes:
            try:
                pid, _ = os.waitpid(-1, flags)
            except ChildProcessError:
                return
            if pid == 0:
                return
            name = self._boxes.pop(pid, None)
            if name is not None:
                self._tell({"ended": name, "oom": self._cgroups.dismiss(name)})

    def _tell(self, message: Message) -> None:
        try:
            _wire.send(self._sock, message)
        except OSError:
            self._running = False  # the engine is gone


def main() -> None:
    """Run the zygote; the only argument is the number of its socket."""
    sock = socket.socket(fileno=int(sys.argv[1]))
    sock.set_inheritable(False)
    sys_.set_title("pytest-sandbox zygote")
    os.setsid()
    sys_.prctl(sys_.PR_SET_PDEATHSIG, signal.SIGTERM)
    zygote = Zygote(sock)
    if zygote.setup():
        zygote.run()
