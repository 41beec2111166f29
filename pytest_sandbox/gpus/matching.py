"""Which devices a request may have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._shared.gpus.kinds import is_of_kind, misspelt
from pytest_sandbox._shared.gpus.requests import in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_sandbox._shared.gpus.requests import GpuRequest

    from .device import GpuDevice
    from .machine import GpuMachine


def candidates(
    devices: Sequence[GpuDevice], request: GpuRequest, memory: int | None
) -> list[GpuDevice]:
    """The devices of the kind, with at least that much memory in MiB."""
    return [
        device
        for device in devices
        if _is_of_kind(device, request.kind) and (memory is None or device.memory >= memory)
    ]


def _is_of_kind(device: GpuDevice, kind: str) -> bool:
    """Whether a device will do: a part of an H100 is no `H100`, but a `H100 MIG 1g.10gb`."""
    whole = device.part is None or not kind or is_of_kind("MIG", kind)
    return whole and is_of_kind(kind, device.name)


def fits(devices: Sequence[GpuDevice], request: GpuRequest, memory: int | None) -> bool:
    """Whether the devices would do, if nobody else had them."""
    return len(candidates(devices, request, memory)) >= request.count


def missing(machine: GpuMachine, requests: Sequence[GpuRequest], memory: int | None) -> str:
    """Why none of the requests can be met on this machine; empty if one can."""
    if any(fits(machine.devices, request, memory) for request in requests):
        return ""
    text = f"needs {in_words(requests, memory)}; this machine has {machine}"
    names = [device.name for device in machine.devices]
    for request in requests:
        if request.kind and (meant := misspelt(request.kind, names)):
            text += f"; {request.kind!r} is not a known kind: did you mean {meant!r}?"
    return text


def matching_devices(
    machine: GpuMachine, requests: Sequence[GpuRequest], memory: int | None
) -> tuple[int, list[GpuDevice]]:
    """How many devices the first request gets that can be met, and of which."""
    for request in requests:
        if fits(machine.devices, request, memory):
            return request.count, candidates(machine.devices, request, memory)
    return 0, []
