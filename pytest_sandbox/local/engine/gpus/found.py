"""What sandboxes with GPUs need of the machine."""

from __future__ import annotations

import re
from dataclasses import field, replace
from typing import TYPE_CHECKING

from pytest_sandbox._shared.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pytest_sandbox.gpus import GpuDevice

#: Device nodes for computing: of devices, of the driver and its unified memory, and of parts of a
#: device (MIG). Those for display, `nvidia-modeset` and `/dev/dri`, are not among them.
COMPUTE_NODE = re.compile(
    r"/dev/(nvidia\d+|nvidiactl|nvidia-uvm|nvidia-uvm-tools|nvidia-caps/nvidia-cap\d+)"
)
#: The node of one device.
DEVICE_NODE = re.compile(r"/dev/nvidia(\d+)")


@dataclass(frozen=True)
class GpuFile:
    """A device node, library or program.

    Attributes:
        path: in a sandbox.
        source: its path on the machine.
    """

    path: str
    source: str


@dataclass(frozen=True)
class FoundGpus:
    """What was found.

    Attributes:
        origin: where that is said.
        common: what each sandbox with GPUs gets.
        devices: what a sandbox with that device gets besides, by index, UUID and node.
        links: symbolic links that each gets, path to target.
        env: variables of its environment.
        missing: why no sandbox can have GPUs; empty if they can.
        folder: of programs, if it is not on the path of sandboxes.
        simulated: whether the devices do not exist.
    """

    origin: str = ""
    common: tuple[GpuFile, ...] = ()
    devices: Mapping[str, tuple[GpuFile, ...]] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    missing: str = ""
    folder: str = ""
    simulated: bool = False

    @property
    def files(self) -> list[GpuFile]:
        """All of them, each once."""
        return list(dict.fromkeys([*self.common, *(f for d in self.devices.values() for f in d)]))

    def without(self, paths: Collection[str]) -> FoundGpus:
        """The same without what cannot be used."""
        if not paths:
            return self
        devices = {
            key: files
            for key, files in self.devices.items()
            if not any(file.path in paths for file in files)
        }
        missing = self.missing
        if self.devices and not devices:
            missing = f"their device nodes cannot be used: {', '.join(paths)}"
        common = tuple(file for file in self.common if file.path not in paths)
        return replace(self, common=common, devices=devices, missing=missing)

    def of(self, device: GpuDevice) -> tuple[GpuFile, ...]:
        """What a sandbox with a device gets; nothing if the device is not known."""
        keys = [device.uuid, device.number]
        keys.append(device.node if device.part is None else f"mig{device.number}")
        return next((self.devices[key] for key in keys if key in self.devices), ())
