"""What a new PID 1 needs of the zygote: to be forked, its ids, and mounts that show them."""

from __future__ import annotations

import functools
import os

from ...filesystem.mapped_mounts import MappedMounts, close_mapped
from ...kernel import idmap, oom
from ...protocol.helpers import send_go
from ..forker import Forker

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from ...kernel.cgroups.joining import CgroupDescriptors
    from ...protocol.forker import BlankPlan, SandboxPlan
    from ..setup import Setup


class Births:
    """Those of one zygote.

    Args:
        setup: what sandboxes are made of.

    Attributes:
        forker: what forks them.
    """

    def __init__(self, setup: Setup) -> None:
        self.forker = Forker(setup)
        self._shift = setup.shift
        self._ids = setup.ids
        self._own_ids = setup.own_ids
        self._leases = setup.leases
        self._user_namespace = setup.userns

    def lease(self) -> int | None:
        """The first of the ids that no other sandbox has; `None` if it has none of its own."""
        return None if self._leases is None else self._leases.take()

    def give_back(self, lease: int | None) -> None:
        """The sandbox that had these ids is gone."""
        if self._leases is not None and lease is not None:
            self._leases.give_back(lease)

    def fork(
        self,
        plan: SandboxPlan | BlankPlan,
        lease: int | None,
        sock: socket.socket | None,
        gate: socket.socket,
        cgroups: CgroupDescriptors,
    ) -> int:
        """Fork it; see `Forker.fork`."""
        return self.forker.fork(plan, self._owner(lease), sock, gate, cgroups)

    def let_go(self, pid: int, lease: int | None, mapped: list[str], gate: socket.socket) -> None:
        """Let PID 1 continue, which waits, with the ids and the mounts that it needs.

        Args:
            pid: its own.
            lease: the first of its ids.
            mapped: paths in the stage whose owners are mapped for it.
            gate: the socket to it.
        """
        oom.kill_first(pid)
        if self._user_namespace:
            # Only from outside can more than one id be mapped: user_namespaces(7). Until then the
            # child has no id that it could make files with, so it waits.
            own = lease if self._own_ids else None
            idmap.write_map(pid, self._shift if own is None else own, self._ids)
        copies = mounts_for(pid, mapped)
        try:
            send_go(gate, copies)
        finally:
            close_mapped(copies)

    def _owner(self, lease: int | None) -> int | None:
        """Whose the user namespace of a sandbox is; `None` for the zygote's own id."""
        if lease is None or not self._own_ids:
            return lease
        return lease + self._ids - 1  # the last id of its own, which programs seldom have


@functools.lru_cache(64)
def _mounts_at(paths: tuple[str, ...]) -> MappedMounts:
    return MappedMounts(paths)


def mounts_for(pid: int, mapped: list[str]) -> list[int]:
    """Copies of mounts of the stage whose owners are mapped for a sandbox; to be closed.

    Args:
        pid: of its PID 1.
        mapped: their paths.
    """
    if not mapped:
        return []
    users = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _mounts_at(tuple(mapped)).copy(users)
    finally:
        os.close(users)
