"""The GPUs of this machine, asked once per process.

Those that `CUDA_VISIBLE_DEVICES` hides are not among them: a batch system gives its jobs some of a
machine's GPUs by that.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .errors import DriverHangs, GpusUnavailable
from .nvml import Nvml

if TYPE_CHECKING:
    from .device import GpuDevice


class GpuMachine:
    """The GPUs of this machine.

    Args:
        nvml: what knows them.
        devices: those that can be used.
        lost: why others cannot be used, by index.
    """

    def __init__(self, nvml: Nvml, devices: list[GpuDevice], lost: dict[int, str]) -> None:
        self.nvml = nvml
        self.devices = devices
        self.lost = lost

    def __str__(self) -> str:
        """Such as `2 x NVIDIA H100 80GB HBM3, 1 x NVIDIA L4`."""
        names = [device.name for device in self.devices]
        shown = [f"{names.count(name)} x {name}" for name in dict.fromkeys(names)]
        return ", ".join([*shown, *(f"GPU {index}: {why}" for index, why in self.lost.items())])


#: What CUDA shows to a program, and what it showed before a lease changed that.
VISIBLE = "CUDA_VISIBLE_DEVICES"
VISIBLE_BEFORE = "PYTEST_SANDBOX_CUDA_VISIBLE_DEVICES"

#: By pid: NVML has to be initialized again after fork(2).
_FOUND: dict[int, GpuMachine | DriverHangs] = {}


def this_machine() -> GpuMachine:
    """The GPUs of this machine.

    Raises:
        GpusUnavailable: there are none, or the driver cannot be asked.
    """
    pid = os.getpid()
    if pid not in _FOUND:
        _FOUND.clear()
        try:
            _FOUND[pid] = _found(Nvml())
        except DriverHangs as error:
            _FOUND[pid] = error
            raise
    found = _FOUND[pid]
    if isinstance(found, DriverHangs):
        raise GpusUnavailable(str(found))
    return found


def _found(nvml: Nvml) -> GpuMachine:
    devices, lost = nvml.devices()
    shown = _visible(devices)
    if devices and not shown:
        names = GpuMachine(nvml, devices, lost)
        raise GpusUnavailable(f"{VISIBLE}={_asked()!r} hides its GPUs: {names}")
    return GpuMachine(nvml, shown, lost)


def _visible(devices: list[GpuDevice]) -> list[GpuDevice]:
    """The devices that CUDA shows: indexes, UUIDs or how these begin, up to the first wrong one.

    CUDA C++ Programming Guide, "CUDA Environment Variables".
    """
    asked = _asked()
    if asked is None:
        return devices
    shown: list[GpuDevice] = []
    for text in asked.split(","):
        found = _named(devices, text.strip())
        if len(found) != 1:
            break
        shown += found
    return shown


def _named(devices: list[GpuDevice], text: str) -> list[GpuDevice]:
    by_index = [device for device in devices if text == str(device.index)]
    # Of a GPU in parts, CUDA shows the first one: MIG User Guide, "CUDA Device Enumeration".
    return by_index[:1] or [
        device for device in devices if len(text) > 4 and device.uuid.startswith(text)
    ]


def _asked() -> str | None:
    return os.environ.get(VISIBLE_BEFORE, os.environ.get(VISIBLE))
