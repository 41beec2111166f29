"""The zygote: a small process that forks sandboxes, and clears up after them.

Started by the engine with `_bootstrap`, with one socket to it. It dies when that socket closes,
and everything that it started dies with it.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import select
import signal
import socket
import sys

from .. import wire
from ..agent import bootstrap
from ..agent.harden import Hardening
from ..criu import helper as criu_helper
from ..criu.bundle import Kit
from ..filesystem.layers import Layers
from ..filesystem.masked_paths import MaskedPaths
from ..filesystem.volume_mounts import VolumeStore
from ..kernel import idmap, mounts, namespaces, prctl, seccomp
from ..kernel.cgroups.entrances import Entrances
from ..kernel.cgroups.groups import SandboxGroups
from ..kernel.cgroups.limits import CgroupLimits
from ..kernel.clone import clone
from ..kernel.errors import describe
from ..kernel.process_title import set_title
from ..kernel.syscalls import MACHINE
from . import stage
from .filesystem_service import Workshop
from .helper import Helper
from .sandbox import Box

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..wire import Message

#: Milliseconds until a group that was still busy is removed again.
_RETRY = 20


class Zygote:
    """Serves `create` and `kill`; tells the engine of each sandbox that ended."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._boxes: dict[int, Box] = {}  # by the pid of PID 1
        self._buried: dict[int, Box] = {}  # by the pid of what frees what they wrote
        self._surgeons: dict[int, str] = {}  # helpers' pids, with the names of their sandboxes
        self._wakeup, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: self._stop())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        self._running = True
        self._namespace: int | None = None  # with the users of sandboxes, once it is needed
        self._handlers: dict[str, Callable[[Message, list[int]], None]] = {
            "create": self._create,
            "kill": self._kill,
            "keep": self._keep,
            "drop": lambda message, _: self._workshop.drop(message),
            "lend": self._lend,
            "borrow": self._borrow,
            "freeze": self._operate,
            "thaw": self._operate,
        }

    def _stop(self) -> None:
        self._running = False

    def setup(self) -> bool:
        """Do what the first message says: enter namespaces, build the stage."""
        message, _ = wire.receive_request(self._sock)
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
        self._userns = namespaces.CLONE_NEWUSER if message["userns"] else 0
        self._ids = message["ids"]
        self._cgroups = SandboxGroups()
        if message["rootless"]:
            namespaces.unshare(namespaces.CLONE_NEWUSER | namespaces.CLONE_NEWNS)
            self._tell({"unshared": True})
            if wire.receive_request(self._sock)[0] is None:
                raise OSError(errno.EPIPE, "the engine is gone", "")
            idmap.become_root()
        else:
            namespaces.unshare(namespaces.CLONE_NEWNS)
        # Changing ids cleared it.
        prctl.die_with_parent(signal.SIGTERM)
        hardening = Hardening(seccomp.program(MACHINE))
        masked = MaskedPaths()
        self._kit = Kit(message["criu"]) if message["criu"] else None
        moved = message["moved"]
        trees = [(path, writable) for path, writable in message["trees"]]
        trees += [(path, False) for path in moved]
        stage.build(trees, moved, message["links"], shift=self._shift)
        if self._kit is not None:
            self._kit.unpack()
        size, inodes = message["size"], message["inodes"]
        volumes = VolumeStore(size, inodes, self._shift)
        self._blueprint = bootstrap.Blueprint(
            trees, Layers(), volumes, size, inodes, masked, hardening
        )
        self._workshop = Workshop(self._blueprint, self._users, self._tell)

    def _users(self) -> int:
        if self._namespace is None:
            self._namespace = idmap.namespace(self._shift, self._ids)
        return self._namespace

    def run(self) -> None:
        """Serve until the engine is gone; then end everything."""
        gc.collect()
        gc.freeze()
        try:
            self._loop()
        finally:
            for pid, box in self._boxes.items():
                box.close()
                os.kill(pid, signal.SIGKILL)
            for pid in (*self._workshop.pids, *self._surgeons):
                os.kill(pid, signal.SIGKILL)
            self._reap(0)
            self._cgroups.leave()

    def _loop(self) -> None:
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        poll.register(self._wakeup, select.POLLIN)
        while self._running:
            helpers = self._workshop.fds
            for fd in helpers:
                poll.register(fd, select.POLLIN)
            ready = poll.poll(_RETRY if self._cgroups.sweep() else None)
            for fd in helpers:
                poll.unregister(fd)
            for fd, _ in ready:
                if fd == self._wakeup:
                    os.read(fd, 4096)
                    self._reap(os.WNOHANG)
                elif fd != self._sock.fileno():
                    self._workshop.serve(fd)
                elif not self._serve():
                    self._running = False

    def _serve(self) -> bool:
        message, fds = wire.receive_request(self._sock)
        if message is None:
            return False
        self._handlers.get(message["op"], self._work)(message, fds)
        wire.close_all(fds)
        return True

    def _create(self, message: Message, fds: list[int]) -> None:
        try:
            self._fork(message, fds[0])
        except OSError as error:
            self._tell({"ended": message["name"], "failed": describe(error)})

    def _fork(self, message: Message, sock_fd: int) -> None:
        self._blueprint.volumes.provide(message["volumes"])
        limits = CgroupLimits(message["processes"], message["memory"], message["cpus"])
        entrances = self._cgroups.make(message["name"], limits)
        ours, gate = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        box = Box(message["name"], ours, message["layers"])

        def child() -> None:
            ours.close()
            bootstrap.run(self._blueprint, message, socket.socket(fileno=sock_fd), gate, entrances)

        try:
            pid = clone(bootstrap.NAMESPACES | self._userns, child, entrances.folder)
            self._boxes[pid] = box
            self._tell({"born": box.name, "pid": pid})
            if self._userns:
                idmap.write_map(pid, self._shift, self._ids)
            ours.send(b"g")
        except OSError:
            self._cgroups.dismiss(box.name)
            raise
        finally:
            entrances.close()
            gate.close()

    def _kill(self, message: Message, fds: list[int]) -> None:
        pid, box = self._find(message["name"])
        if box is not None:
            if box.keep is None:
                box.close()  # so that the sandbox itself frees what it wrote, as it ends
            os.kill(pid, signal.SIGKILL)

    def _keep(self, message: Message, fds: list[int]) -> None:
        pid, box = self._find(message["name"])
        if box is None:
            self._workshop.begin(message, None, fds)  # which refuses it
        else:
            box.keep = message
            os.kill(pid, signal.SIGKILL)

    def _work(self, message: Message, fds: list[int]) -> None:
        _, box = self._find(message.get("name"))
        self._workshop.begin(message, box, fds)

    def _lend(self, message: Message, fds: list[int]) -> None:
        try:
            store = self._blueprint.layers.open(message["layer"])
        except OSError as error:
            self._tell({"answer": message["id"], "error": describe(error)})
        else:
            self._tell({"answer": message["id"], "ok": {}}, (store,))
            os.close(store)

    def _borrow(self, message: Message, fds: list[int]) -> None:
        """Have a layer of a zygote whose sandboxes have other ids."""
        try:
            if message["shift"] != self._shift:
                userns = idmap.namespace(self._shift, idmap.COUNT)
                try:
                    mounts.set_attributes(fds[0], mounts.MOUNT_ATTR_IDMAP, userns=userns)
                finally:
                    os.close(userns)
            self._blueprint.layers.attach(message["layer"], fds[0])
        except OSError as error:
            self._tell({"answer": message["id"], "error": describe(error)})
        else:
            self._tell({"answer": message["id"], "ok": {}})

    def _find(self, name: str | None) -> tuple[int, Box | None]:
        return next(((pid, box) for pid, box in self._boxes.items() if box.name == name), (0, None))

    def _operate(self, message: Message, fds: list[int]) -> None:
        """Have processes kept or restored; how it went, the engine hears on a socket."""
        pid, box = self._find(message["name"])
        if box is None or self._kit is None:
            return
        entrances = Entrances()
        with contextlib.suppress(OSError):  # the socket tells, by being closed
            # Images are written outside of the sandbox's limits, and processes restored within.
            if message["op"] == "thaw":
                entrances = self._cgroups.entrances(box.name)
            self._surgeons[criu_helper.start(pid, self._kit, message, fds, entrances)] = box.name
        entrances.close()

    def _reap(self, flags: int) -> None:
        while True:
            try:
                pid, _ = os.waitpid(-1, flags)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self._boxes:
                self._bury(self._boxes.pop(pid))
            elif pid in self._surgeons:
                del self._surgeons[pid]
            elif pid in self._buried:
                self._ended(self._buried.pop(pid))

    def _bury(self, box: Box) -> None:
        """It is dead: free what it wrote, then tell."""
        for pid in [pid for pid, name in self._surgeons.items() if name == box.name]:
            os.kill(pid, signal.SIGKILL)
        if box.keep is not None:
            self._workshop.keep(box.keep, box)
        elif self._running and not box.is_quick_to_free():
            try:
                helper = Helper(list, box.fds)  # whose end frees it
            except OSError:
                pass  # then we do
            else:
                box.close()
                self._buried[helper.pid] = box
                return
        box.close()
        self._ended(box)

    def _ended(self, box: Box) -> None:
        self._tell({"ended": box.name, "oom": self._cgroups.dismiss(box.name)})

    def _tell(self, message: Message, fds: tuple[int, ...] = ()) -> None:
        try:
            wire.send(self._sock, message, fds)
        except OSError:
            self._running = False  # the engine is gone


def main() -> None:
    """Run the zygote; the only argument is the number of its socket."""
    sock = socket.socket(fileno=int(sys.argv[1]))
    sock.set_inheritable(False)
    set_title("pytest-sandbox zygote")
    os.setsid()
    prctl.die_with_parent(signal.SIGTERM)
    zygote = Zygote(sock)
    if zygote.setup():
        zygote.run()
