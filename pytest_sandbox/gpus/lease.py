"""Leases: locks on the memory of devices, a byte of a lock file for each MiB.

Whoever needs a device for itself alone locks all of its bytes, and who shares it as many as it may
use. A second lock, shared, is for an engine that runs what the lease is for: it holds the devices
on if the process that leased them dies first.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from pytest_sandbox._shared.gpus.requests import LEASE
from pytest_sandbox._shared.lazy_dataclass import dataclass

from .errors import NoSuchLease
from .lock_folder import in_words, is_current, open_file, read_note, write_note
from .machine import this_machine
from .participants import take_part
from .ranges import is_locked, locked, try_lock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .device import GpuDevice

#: Where the shared locks begin, beyond the memory of any device.
_SHARED = 1 << 40
_NAMED = re.compile(r"((?:GPU|MIG)-[0-9A-Za-z/-]+)((?:@\d+\+\d+)+)", re.IGNORECASE)
_RANGE = re.compile(r"@(\d+)\+(\d+)")


@dataclass(frozen=True)
class LeasedPart:
    """A part of the memory of a device.

    Attributes:
        device: it.
        fd: the lock file, which holds the lock as long as it is open.
        ranges: first MiB and number of MiB.
    """

    device: GpuDevice
    fd: int
    ranges: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        ranges = "".join(f"@{first}+{length}" for first, length in self.ranges)
        return f"{self.device.uuid}{ranges}"


class GpuLease:
    """Devices that nobody else who leases has, or no more than the rest of their memory.

    Args:
        parts: of the devices.
    """

    def __init__(self, parts: Sequence[LeasedPart]) -> None:
        self._parts = list(parts)
        #: The devices.
        self.devices = tuple(part.device for part in parts)
        #: How a request names them, for an engine of the same machine.
        self.name = LEASE + ",".join(map(str, parts))

    def release(self) -> None:
        """Give the devices back; once more has no effect."""
        parts, self._parts = self._parts, []
        for part in parts:
            os.close(part.fd)


def file_name(device: GpuDevice) -> str:
    """The name of the lock file of a device."""
    return re.sub(r"[^0-9A-Za-z-]", "_", device.uuid)


def take(device: GpuDevice, memory: int | None, what: str) -> LeasedPart | None:
    """Lease a device, or part of its memory; `None` if others have it.

    Args:
        device: it.
        memory: MiB to share it by; `None` for the device alone.
        what: what for.

    Raises:
        GpusUnavailable: the locks cannot be used.
    """
    take_part()
    fd = open_file(file_name(device))
    ranges = _ranges(fd, device.memory, memory)
    if not ranges or not _lock(fd, ranges) or not is_current(fd, file_name(device)):
        os.close(fd)
        return None
    for first, _ in ranges:
        write_note(fd, first, what)
    return LeasedPart(device, fd, tuple(ranges))


def holders(device: GpuDevice) -> str:
    """Who has leases of a device; empty for nobody."""
    fd = open_file(file_name(device))
    try:
        used = [*locked(fd, 0, device.memory), *_handed_on(fd, device.memory)]
        return in_words(read_note(fd, first) for first, _ in used)
    finally:
        os.close(fd)


def adopt_lease(name: str) -> GpuLease:
    """Hold a lease of another process too, from when it is taken until the copy is released.

    Args:
        name: of the lease.

    Raises:
        NoSuchLease: nobody has it.
        GpusUnavailable: this machine has no GPUs any more.
    """
    parts: list[LeasedPart] = []
    take_part()
    by_uuid = {device.uuid.lower(): device for device in this_machine().devices}
    try:
        for each in name[len(LEASE) :].split(","):
            found = _NAMED.fullmatch(each)
            device = by_uuid.get(found[1].lower()) if found else None
            if found is None or device is None:
                raise NoSuchLease(f"{each!r} is not a device of this machine")
            ranges = tuple((int(a), int(b)) for a, b in _RANGE.findall(found[2]))
            parts.append(_adopt(device, ranges))
    except BaseException:
        GpuLease(parts).release()
        raise
    return GpuLease(parts)


def _adopt(device: GpuDevice, ranges: tuple[tuple[int, int], ...]) -> LeasedPart:
    fd = open_file(file_name(device))
    for first, length in ranges:
        held = locked(fd, first, first + length) == [(first, first + length)]
        if not held or not try_lock(fd, _SHARED + first, length, shared=True):
            os.close(fd)
            raise NoSuchLease(f"nobody has a lease {device.uuid}@{first}+{length}")
    return LeasedPart(device, fd, ranges)


def _lock(fd: int, ranges: list[tuple[int, int]]) -> bool:
    return all(
        try_lock(fd, first, length) and not is_locked(fd, _SHARED + first, length)
        for first, length in ranges
    )


def _ranges(fd: int, total: int, memory: int | None) -> list[tuple[int, int]]:
    """The first MiB that are free, as many as are wanted; empty if there are not so many."""
    if memory is None:
        return [(0, total)]
    used = sorted([*locked(fd, 0, total), *_handed_on(fd, total)])
    found: list[tuple[int, int]] = []
    start = 0
    for first, last in [*used, (total, total)]:
        if first > start and memory:
            length = min(memory, first - start)
            found.append((start, length))
            memory -= length
        start = max(start, last)
    return [] if memory else found


def _handed_on(fd: int, total: int) -> list[tuple[int, int]]:
    return [
        (first - _SHARED, last - _SHARED) for first, last in locked(fd, _SHARED, _SHARED + total)
    ]
