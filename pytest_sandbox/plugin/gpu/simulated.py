"""The simulated GPUs of a test: those that its first sandbox in memory gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._shared.gpus.simulated import SimulatedGpu, kind_to_simulate
from pytest_sandbox._shared.gpus.simulated_smi import DRIVER

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from pytest_sandbox._shared.gpus.requests import GpuRequest
    from pytest_sandbox.gpus import GpuDevice

    from .marker import GpusWanted


def simulated_devices(item: pytest.Item, wanted: GpusWanted) -> tuple[str, tuple[GpuDevice, ...]]:
    """The argument `gpu=` for the first request that can be met, and its devices.

    Raises:
        ValueError: none can: there is no such kind, or they are too many or too small. Or the
            marker `fake_sandboxes(gpus=...)` has others, or is invalid.
    """
    there = _marked(item)
    refused = ""
    for request in wanted.requests:
        try:
            found = _found(there, request, wanted.memory)
        except ValueError as error:
            refused = refused or str(error)
            continue
        kinds = {gpu.kind for gpu in found}
        # A sandbox is asked for no memory: of several of a kind, it is to be the one with enough.
        named = wanted.memory is not None and len(kinds) == 1
        kind = kinds.pop() if named else request.kind or "any"
        devices = tuple(_device(index, gpu) for index, gpu in enumerate(found))
        return f"{kind}:{request.count}", devices
    raise ValueError(f"needs {wanted}; {refused}")


def _marked(item: pytest.Item) -> list[SimulatedGpu]:
    """The GPUs that the marker of the engine in memory names."""
    there = []
    for mark in item.iter_markers("fake_sandboxes"):
        names = mark.kwargs.get("gpus", ())
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            raise ValueError(
                f"@pytest.mark.fake_sandboxes(gpus={names!r}): gpus must be a list of names"
            )
        there += [SimulatedGpu.of(number, name) for number, name in enumerate(names)]
    return there


def _found(
    there: Sequence[SimulatedGpu], request: GpuRequest, memory: int | None
) -> list[SimulatedGpu]:
    if not there:
        try:
            kind = kind_to_simulate(request.kind, request.count, memory)
        except ValueError as error:
            raise ValueError(f"of simulated ones {error}") from error
        return [SimulatedGpu.of(each, kind) for each in range(request.count)]
    kind = request.kind.rstrip("!+")
    found = [gpu for gpu in there if gpu.is_a(kind) and gpu.memory >= (memory or 0)]
    if len(found) < request.count:
        raise ValueError("fake_sandboxes(gpus=...) has others")
    return found[: request.count]


def _device(index: int, gpu: SimulatedGpu) -> GpuDevice:
    from pytest_sandbox.gpus import GpuDevice

    return GpuDevice(index, gpu.uuid, gpu.name, gpu.memory, DRIVER, index)
