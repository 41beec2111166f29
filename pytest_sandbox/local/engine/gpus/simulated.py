"""Simulated GPUs of tasks: as many as are asked for, and nobody waits for any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._shared.gpu_kinds import KINDS, misspelt
from pytest_sandbox._shared.simulated_gpus import ANY_KIND, SimulatedGpu
from pytest_sandbox._shared.simulated_smi import DRIVER, VARIABLE
from pytest_sandbox.engine import Unsupported
from pytest_sandbox.gpus import GpuDevice, GpuLease

if TYPE_CHECKING:
    from pytest_sandbox.engine import Gpus

#: How many a sandbox may have; Modal's own limit.
_MOST = 8


class SimulatedLease(GpuLease):
    """A lease that holds nothing.

    Args:
        devices: simulated ones.
    """

    def __init__(self, devices: list[GpuDevice]) -> None:
        super().__init__([])
        self.devices = tuple(devices)


def simulated_lease(gpus: Gpus) -> SimulatedLease:
    """The GPUs of the first request that can be met.

    Raises:
        Unsupported: there is no such kind, or they are too many.
    """
    for each in (gpus, *gpus.otherwise):
        kind = (each.kind or ANY_KIND).upper().rstrip("!+")
        if kind in KINDS and each.count <= _MOST:
            found = [SimulatedGpu.of(number, kind) for number in range(each.count)]
            return SimulatedLease(
                [GpuDevice(g.number, g.uuid, g.name, g.memory, DRIVER, g.number) for g in found]
            )
    meant = misspelt(gpus.kind) if gpus.kind else ""
    raise Unsupported(
        f"{gpus.count} x {gpus.kind or 'GPU'}",
        f"simulated are up to {_MOST} of {', '.join(KINDS)}"
        + (f"; did you mean {meant!r}?" if meant else ""),
    )


def described(devices: tuple[GpuDevice, ...]) -> dict[str, str]:
    """The environment that tells programs of the devices."""
    lines = [f"device {d.uuid} {d.memory} {d.minor} 0 {d.name}" for d in devices]
    return {VARIABLE: "\n".join([f"driver {DRIVER}", *lines])}
