"""The simulated GPUs of a test: those that its first sandbox in memory gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._shared.simulated_gpus import ANY_KIND, SimulatedGpu
from pytest_sandbox._shared.simulated_smi import DRIVER

if TYPE_CHECKING:
    import pytest

    from pytest_sandbox.gpus import GpuDevice

    from .marker import GpusWanted


def simulated_devices(item: pytest.Item, wanted: GpusWanted) -> tuple[GpuDevice, ...]:
    """The devices; none if the marker `fake_sandboxes(gpus=...)` has not those that are wanted."""
    there = [
        SimulatedGpu.of(number, name)
        for mark in item.iter_markers("fake_sandboxes")
        for number, name in enumerate(mark.kwargs.get("gpus", ()))
    ]
    for request in wanted.requests:
        kind = request.kind.rstrip("!+")
        found = [gpu for gpu in there if gpu.is_a(kind)] if there else []
        if not there:
            found = [SimulatedGpu.of(each, kind or ANY_KIND) for each in range(request.count)]
        if len(found) >= request.count:
            return tuple(_device(i, gpu) for i, gpu in enumerate(found[: request.count]))
    return ()


def _device(index: int, gpu: SimulatedGpu) -> GpuDevice:
    from pytest_sandbox.gpus import GpuDevice

    return GpuDevice(index, gpu.uuid, gpu.name, gpu.memory, DRIVER, index)
