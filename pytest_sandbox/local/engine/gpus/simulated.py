"""Simulated GPUs of tasks: as many as are asked for, and nobody waits for any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._shared.gpus.simulated import SimulatedGpu, kind_to_simulate
from pytest_sandbox._shared.gpus.simulated_smi import DRIVER, VARIABLE
from pytest_sandbox.engine import Unsupported
from pytest_sandbox.gpus import GpuDevice, GpuLease

if TYPE_CHECKING:
    from pytest_sandbox.engine import Gpus


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
    refused = ""
    for each in (gpus, *gpus.otherwise):
        try:
            kind = kind_to_simulate(each.kind, each.count)
        except ValueError as error:
            refused = refused or str(error)
            continue
        found = [SimulatedGpu.of(number, kind) for number in range(each.count)]
        return SimulatedLease(
            [GpuDevice(g.number, g.uuid, g.name, g.memory, DRIVER, g.number) for g in found]
        )
    raise Unsupported(f"{gpus.count} x {gpus.kind or 'GPU'}", f"of simulated ones {refused}")


def described(devices: tuple[GpuDevice, ...]) -> dict[str, str]:
    """The environment that tells programs of the devices."""
    lines = [f"device {d.uuid} {d.memory} {d.minor} 0 {d.name}" for d in devices]
    return {VARIABLE: "\n".join([f"driver {DRIVER}", *lines])}
