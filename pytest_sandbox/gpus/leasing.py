"""Leasing devices: who takes which, and how long one waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._shared import real
from pytest_sandbox._shared.gpus.requests import in_words
from pytest_sandbox._shared.lazy_dataclass import dataclass

from .errors import DriverHangs, GpusMissing, GpusTaken, GpusUnavailable
from .lease import GpuLease, holders, take
from .line import Line
from .matching import candidates, fits, missing
from .participants import stranger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_sandbox._shared.gpus.requests import GpuRequest

    from .device import GpuDevice
    from .lease import LeasedPart
    from .machine import GpuMachine

#: The devices that this process had last: a program that has used CUDA stays with its device.
_LAST: list[str] = []


@dataclass(frozen=True)
class LeaseWanted:
    """What is to be leased.

    Attributes:
        requests: what will do, the best first.
        what: what for, such as the name of a test.
        memory: MiB of each device to share it by; `None` for devices alone.
        wait: seconds that one is ready to wait.
    """

    requests: Sequence[GpuRequest]
    what: str
    memory: int | None = None
    wait: float = 0.0


def take_lease(
    machine: GpuMachine, asked: LeaseWanted, give_up: Callable[[], bool] = lambda: False
) -> GpuLease:
    """Lease devices, waiting for them if others have them.

    Args:
        machine: with the devices.
        asked: which, and how many.
        give_up: called now and then; ends the wait if it returns true.

    Raises:
        GpusMissing: this machine has no such devices.
        GpusTaken: others have them, and the time is up.
        GpusUnavailable: a device does not answer, or the locks cannot be used.
    """
    if text := missing(machine, asked.requests, asked.memory):
        raise GpusMissing(text)
    possible = [each for each in asked.requests if fits(machine.devices, each, asked.memory)]
    devices = {
        device.uuid: device
        for request in possible
        for device in candidates(machine.devices, request, asked.memory)
    }
    with Line([*devices], asked.what, real.monotonic() + asked.wait) as line:
        while True:
            ahead = line.ahead()
            if not ahead:
                for request in possible:
                    if parts := _take(machine, request, asked):
                        _LAST[:] = [part.device.uuid for part in parts]
                        return GpuLease(parts)
            line.join()
            if give_up() or not line.wait():
                raise GpusTaken(_why(machine, asked, [*devices.values()], ahead))


def _take(machine: GpuMachine, request: GpuRequest, asked: LeaseWanted) -> list[LeasedPart]:
    """All that a request asks for, or nothing."""
    parts: list[LeasedPart] = []
    lost: list[GpusUnavailable] = []
    possible = candidates(machine.devices, request, asked.memory)
    try:
        # Those that this process had last come first.
        for device in sorted(possible, key=lambda each: each.uuid not in _LAST):
            part = take(device, asked.memory, asked.what)
            if part is None:
                continue
            parts.append(part)
            if not _can_be_had(machine, device, asked.memory, lost):
                GpuLease([parts.pop()]).release()
            elif len(parts) == request.count:
                return sorted(parts, key=lambda each: each.device.place)
        if lost and len(possible) - len(lost) < request.count:
            raise lost[0]  # it does not come back
    except BaseException:
        GpuLease(parts).release()
        raise
    GpuLease(parts).release()
    return []


def _can_be_had(
    machine: GpuMachine, device: GpuDevice, memory: int | None, lost: list[GpusUnavailable]
) -> bool:
    try:
        return not _in_use(machine, device, memory)
    except DriverHangs:
        raise
    except GpusUnavailable as error:
        lost.append(error)
        return False


def _in_use(machine: GpuMachine, device: GpuDevice, memory: int | None) -> str:
    """Who uses a device without a lease, so that it cannot be had; empty for nobody."""
    if memory is None:
        return stranger(machine.nvml.processes(device))
    free = machine.nvml.free(device)
    return "" if free >= memory else f"programs without a lease: {free} MiB are free"


def _user(machine: GpuMachine, device: GpuDevice, memory: int | None) -> str:
    try:
        return _in_use(machine, device, memory)
    except GpusUnavailable as error:
        return str(error)


def _why(machine: GpuMachine, asked: LeaseWanted, devices: Sequence[GpuDevice], ahead: str) -> str:
    lines = [
        f"{device}: {holders(device) or _user(machine, device, asked.memory) or 'free'}"
        for device in devices
    ]
    if ahead:
        lines.append(f"earlier in the line: {ahead}")
    return (
        f"no {in_words(asked.requests, asked.memory)} within {asked.wait:g} s: {'; '.join(lines)}"
    )
