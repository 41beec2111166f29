"""Serves the engine's requests about the memory of sandboxes: CRIU, in helpers."""

from __future__ import annotations

import contextlib
import os
import signal

from ..criu import helper
from ..kernel.cgroups.joining import CgroupDescriptors
from ..protocol.criu import RestoreRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..criu.bundle import CriuBundle
    from ..protocol.criu import DumpRequest
    from .sandbox_record import SandboxRecord


class CriuRequests:
    """Has processes dumped and restored; the engine hears of the end from the helper itself.

    Args:
        bundle: how to run CRIU, if there is one.
    """

    def __init__(self, bundle: CriuBundle | None) -> None:
        self._bundle = bundle
        self._sandboxes: dict[int, str] = {}  # names of sandboxes, by the pids of helpers

    @property
    def pids(self) -> list[int]:
        """Of helpers at work."""
        return list(self._sandboxes)

    def begin(
        self,
        request: DumpRequest | RestoreRequest,
        pid: int,
        record: SandboxRecord,
        fds: list[int],
    ) -> None:
        """Start a helper for a sandbox; if that fails, the engine's socket is closed, which tells.

        Args:
            request: the engine's.
            pid: of the sandbox's PID 1.
            record: of the sandbox.
            fds: those that came with the request.
        """
        if self._bundle is None:
            return
        cgroups = CgroupDescriptors()
        with contextlib.suppress(OSError):
            # Images are written outside of the sandbox's limits, and processes restored within.
            if isinstance(request, RestoreRequest):
                cgroups = record.group.descriptors()
            self._sandboxes[helper.start(pid, self._bundle, request, fds, cgroups)] = request.name

    def kill_helpers(self, name: str) -> None:
        """End the helpers of a sandbox."""
        for pid in [pid for pid, other in self._sandboxes.items() if other == name]:
            os.kill(pid, signal.SIGKILL)

    def reaped(self, pid: int) -> None:
        """A process has ended, perhaps a helper."""
        self._sandboxes.pop(pid, None)
