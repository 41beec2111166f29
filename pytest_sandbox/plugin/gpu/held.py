"""The GPUs that a test has."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox._shared.gpus.requests import parse

from .marker import FIXTURE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_sandbox.gpus import GpuDevice, GpuLease, OpenWatch


class TestGpus:
    """The GPUs of a test.

    Args:
        devices: them; none if they are those of another machine.
        request: how a sandbox is asked for the same ones, the argument `gpu=`.
        lease: what holds them; `None` for simulated ones.
        own: whether the process of pytest uses them, not a sandbox.

    Attributes:
        simulated: whether they do not exist.
    """

    __test__ = False  # no class of tests, whatever its name begins with

    def __init__(
        self,
        devices: Sequence[GpuDevice],
        request: str | list[str],
        lease: GpuLease | None = None,
        *,
        own: bool = False,
    ) -> None:
        self.devices = tuple(devices)
        self.request = request
        self._lease = lease
        self._before: dict[str, str | None] = {}
        self._own = own
        self.simulated = lease is None
        self._watches = {} if lease is None else _watched(devices)

    def unused(self) -> list[GpuDevice]:
        """Devices that nothing has opened since the test has them; none if that is not known."""
        opened = {device.uuid: watch.was_opened() for device, watch in self._watches.items()}
        if self._own:
            # A process keeps a context of CUDA, and opens the device for the first one only.
            _OPEN_HERE.update(uuid for uuid, was in opened.items() if was)
        return [
            device
            for device in self.devices
            if opened.get(device.uuid) is False
            and not (self._own and (device.uuid in _OPEN_HERE or _computes(device)))
        ]

    def show(self, variables: Mapping[str, str]) -> None:
        """Set variables of this process, as long as the test has its GPUs."""
        self._before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)

    def give_back(self) -> None:
        """Restore the variables, and release the lease."""
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        for watch in self._watches.values():
            watch.close()
        if self._lease is not None:
            self._lease.release()


#: UUIDs of devices that this process has opened itself.
_OPEN_HERE: set[str] = set()


def _watched(devices: Sequence[GpuDevice]) -> dict[GpuDevice, OpenWatch]:
    from pytest_sandbox.gpus import OpenWatch

    return {device: OpenWatch([device.node]) for device in devices}


def _computes(device: GpuDevice) -> bool:
    """Whether this process computes on a device, as far as the driver knows."""
    from pytest_sandbox.gpus import GpusUnavailable, this_machine

    try:
        return os.getpid() in this_machine().nvml.processes(device)
    except GpusUnavailable:
        return True


GPUS = pytest.StashKey[TestGpus]()
#: Those of the test that is running.
GPUS_NOW = pytest.StashKey[TestGpus]()


def gpu_keywords(item: pytest.Item) -> dict[str, Any]:
    """The keywords by which the sandboxes of a test get its GPUs; none if it asks for none."""
    gpus = item.stash.get(GPUS, None)
    return {} if gpus is None else {FIXTURE: gpus.request}


def gpus_for_template(config: pytest.Config, gpu: Any) -> Any:
    """The argument `gpu=` for the preparation of a template.

    The GPUs of the test that is running, if they will do: for others it might wait in vain.

    Args:
        config: of the run.
        gpu: the argument of the template.
    """
    gpus = config.stash.get(GPUS_NOW, None)
    if gpus is None or gpus.simulated:
        return gpu
    from pytest_sandbox.gpus import fits

    enough = any(fits(gpus.devices, request, None) for request in parse(gpu))
    return gpus.request if enough else gpu
