"""The blank of a zygote: a PID 1 that is forked ahead, for the next sandbox somebody waits for."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time

from ...filesystem.layers import is_quick_to_free
from ...filesystem.mapped_mounts import close_mapped
from ...kernel.cgroups.limits import CgroupLimits
from ...protocol import wire
from ...protocol.forker import BlankPlan, BlankTaken
from .births import mounts_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...kernel.cgroups.sandbox_group import SandboxGroup
    from ...protocol.forker import SandboxPlan
    from ...protocol.zygote import CreateRequest, DropBlankRequest, KeepBlankRequest
    from ..config import SandboxConfig
    from ..setup import Setup
    from .births import Births

#: Seconds after which it becomes no sandbox any more: like any that is made ahead, it would be
#: older than the sandbox by so much.
_OLD = 30.0
#: Mounts that a blank can be sent beside the socket to the engine: see `BlankTaken`.
_MOST_MOUNTS = 199


class Blank:
    """One that is forked.

    Args:
        gate: the socket to it.
        group: its cgroups.
        lease: the first of its ids.
        config: what every sandbox has.

    Attributes:
        pid: its own; 0 before it is forked.
        folder: whether it was forked into a cgroup of version 2.
        mapped: paths in the stage whose owners are mapped for it.
        layers: numbers of layers that it holds, as its copy of the stage has them.
        volumes: numbers of volumes, likewise.
    """

    def __init__(
        self,
        gate: socket.socket,
        group: SandboxGroup,
        lease: int | None,
        config: SandboxConfig,
    ) -> None:
        self.gate = gate
        self.group = group
        self.lease = lease
        self.pid = 0
        self.folder = False
        self.mapped = config.mapped_ahead()
        self.layers = config.layers.numbers
        self.volumes = config.volumes.numbers
        self._born = time.monotonic()

    def is_old(self) -> bool:
        """Whether it is too old to become a sandbox."""
        return time.monotonic() - self._born > _OLD


class KeptBlank:
    """Keeps a blank; there is one at a time.

    Args:
        setup: what sandboxes are made of.
        births: forks it.
    """

    def __init__(self, setup: Setup, births: Births) -> None:
        self._config = setup.config
        self._cgroups = setup.cgroups
        self._own_ids = setup.own_ids
        self._births = births
        self._blank: Blank | None = None

    def keep(self, request: KeepBlankRequest, number: int, fds: list[int]) -> None:
        """Fork one, unless there is one which is like that and not old."""
        limits = CgroupLimits(request.processes, request.memory, request.cpus, None)
        blank = self._blank
        if blank is not None:
            if blank.group.limits == limits and not blank.is_old():
                return
            self.end()
        with contextlib.suppress(OSError):  # who waits for a sandbox is told why there is none
            self._fork(limits)

    def drop(self, request: DropBlankRequest, number: int, fds: list[int]) -> None:
        """End it, if there is one."""
        self.end()

    def can_become(self, request: CreateRequest) -> bool:
        """Whether there is one, and it can become what is asked for."""
        blank = self._blank
        if blank is None or not request.blank or request.beside or request.gpus:
            return False
        limits = CgroupLimits(request.processes, request.memory, request.cpus, None)
        return (
            blank.group.limits == limits
            and not blank.is_old()
            and self._has_all(blank, request)
            and len(self._lacking(blank, request)) <= _MOST_MOUNTS
        )

    def become(
        self, plan: SandboxPlan, request: CreateRequest, sock: socket.socket
    ) -> Blank | None:
        """Have it become what it can; it is the caller's then. `None` if it was killed.

        Args:
            plan: what it is to make of itself.
            request: the engine's.
            sock: where the engine talks to it.
        """
        blank, self._blank = self._blank, None
        assert blank is not None  # `can_become` has said so
        mapped = self._lacking(blank, request)
        try:
            copies = mounts_for(blank.pid, mapped)
            try:
                message = BlankTaken(plan=plan, mapped=mapped)
                wire.send_request(blank.gate, message, (sock.fileno(), *copies))
            finally:
                close_mapped(copies)
        except OSError:
            self._end(blank)
            return None
        return blank

    def layer_dropped(self, number: int, size: int) -> None:
        """A layer of so many bytes is going to be freed; see `_dropped`."""
        if self._blank is not None and number in self._blank.layers:
            self._dropped(size)

    def volume_dropped(self, number: int, size: int) -> None:
        """A volume of so many bytes is going to be freed; see `_dropped`."""
        if self._blank is not None and number in self._blank.volumes:
            self._dropped(size)

    def _dropped(self, size: int) -> None:
        # The kernel unmounts it in the blank's copy of the stage, too, when the directory that it
        # is mounted at is removed: `detach_mounts` in vfs_rmdir(), fs/namei.c. That would take us
        # a while, if it is large.
        if not is_quick_to_free(size):
            self.end()

    def end(self) -> None:
        """End it, if there is one; returns when it is gone."""
        blank, self._blank = self._blank, None
        if blank is not None:
            self._end(blank)

    def reaped(self, pid: int) -> bool:
        """A child of the zygote has ended; whether it was the blank."""
        blank = self._blank
        if blank is None or blank.pid != pid:
            return False
        self._blank = None
        self._free(blank)
        return True

    def _has_all(self, blank: Blank, request: CreateRequest) -> bool:
        """Whether all is in its copy of the stage, or is sent to it."""
        if self._own_ids:
            return True
        volumes = {volume.number for volume in request.volumes}
        stores = self._config.layers.stores(request.layers)
        return blank.layers.issuperset(stores) and blank.volumes.issuperset(volumes)

    def _lacking(self, blank: Blank, request: CreateRequest) -> list[str]:
        """Paths in the stage whose owners are to be mapped for it, besides those that are."""
        return [path for path in self._config.mapped_for(request) if path not in blank.mapped]

    def _fork(self, limits: CgroupLimits) -> None:
        group = self._cgroups.make(limits)
        try:
            gate, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:
            self._cgroups.dismiss(group)
            raise
        blank = Blank(gate, group, self._births.lease(), self._config)
        try:
            with theirs:
                cgroups = group.descriptors()
                blank.folder = cgroups.folder is not None
                plan = BlankPlan(processes=limits.processes, folder=blank.folder)
                blank.pid = self._births.fork(plan, blank.lease, None, theirs, cgroups)
            self._births.let_go(blank.pid, blank.lease, blank.mapped, gate)
        except OSError:
            self._end(blank)
            raise
        self._blank = blank

    def _end(self, blank: Blank) -> None:
        if blank.pid:
            os.kill(blank.pid, signal.SIGKILL)
            os.waitpid(blank.pid, 0)  # it has no programs, so this does not take long
        self._free(blank)

    def _free(self, blank: Blank) -> None:
        blank.gate.close()
        self._births.give_back(blank.lease)
        self._cgroups.dismiss(blank.group)
