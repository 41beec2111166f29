"""A sandbox, as the zygote knows it."""

from __future__ import annotations

import errno
import os

from .. import wire
from ..filesystem.layers import is_quick_to_free
from ..kernel.tmpfs import usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from ..wire import Message


class Box:
    """What the zygote holds of one sandbox.

    Args:
        name: the engine's name for it.
        gate: where PID 1 once sends its store and its mount namespace.
        stack: the layers that it stands on, the newest first.
    """

    def __init__(self, name: str, gate: socket.socket, stack: list[int]) -> None:
        self.name = name
        self.stack = stack
        self.keep: Message | None = None  # a request to keep its store once it is dead
        self._gate = gate
        self._fds: list[int] = []

    @property
    def store(self) -> int:
        """What it writes to: a mount, detached or in use as a layer."""
        return self._handles()[0]

    @property
    def mounts(self) -> int:
        """Its mount namespace."""
        return self._handles()[1]

    def renew(self, store: int) -> None:
        """It has another store, unless it is over."""
        old = store
        if self._fds:
            old, self._fds[0] = self._fds[0], store
        os.close(old)

    @property
    def fds(self) -> list[int]:
        """The descriptors that hold it."""
        return self._fds

    def is_quick_to_free(self) -> bool:
        """Whether `close` may be called while others wait, if nobody else holds the store."""
        try:
            return is_quick_to_free(usage(self.store))
        except OSError:
            return True  # it was never built

    def close(self) -> None:
        """Hold nothing of it: the kernel frees it with the last who does."""
        self._gate.close()
        wire.close_all(self._fds)
        self._fds = []

    def _handles(self) -> list[int]:
        # Received only when they are needed, which for most sandboxes they never are.
        if not self._fds and self._gate.fileno() >= 0:
            self._fds = wire.receive(self._gate)[1]
        if len(self._fds) != 2:
            raise OSError(errno.ESRCH, "the sandbox is over", "")
        return self._fds
