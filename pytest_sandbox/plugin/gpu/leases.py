"""Leases of tests: taken before the first fixture, given back after the last."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ..templates.pytest_internals import skip_of_test
from .marker import FIXTURE, misspelt_kinds, wanted_gpus
from .options import gpu_settings
from .simulated import simulated_devices
from .tested import is_simulated, takes_sandbox

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from pytest_sandbox.gpus import GpuDevice, GpuLease, OpenWatch

    from .marker import GpusWanted

#: The name under which a test's report tells of its GPUs.
PROPERTY = "gpu"


class TestGpus:
    """The GPUs of a test.

    Args:
        devices: them.
        request: how a sandbox is asked for the same ones, the argument `gpu=`.
        lease: what holds them; `None` for simulated ones.
        own: whether the process of pytest uses them, not a sandbox.
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


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Lease what a test asks for, or skip it."""
    wanted = wanted_gpus(item)
    if wanted is not None:
        give_gpus(item, wanted)


def give_gpus(item: pytest.Item, wanted: GpusWanted) -> None:
    """Have a test have GPUs, unless it has some.

    Raises:
        pytest.skip.Exception: it cannot, here.
        pytest.fail.Exception: it has to, or others have them for too long.
    """
    if GPUS in item.stash:
        return
    settings = gpu_settings(item.config)
    simulated = is_simulated(item)
    if settings.mode == "skip":
        raise skip_of_test(f"{settings}: needs {wanted}")
    gpus = _simulated(item, wanted) if simulated else _leased(item, wanted)
    item.stash[GPUS] = gpus
    if not takes_sandbox(item):
        _show(gpus)
    where = "in its sandbox" if takes_sandbox(item) else "in the process of pytest"
    names = ", ".join(f"GPU {device.index} ({device.name})" for device in gpus.devices)
    item.user_properties.append((PROPERTY, f"{'simulated ' if simulated else ''}{names} {where}"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """Give the devices back after the fixtures and the sandboxes of the test have ended."""
    try:
        return (yield)
    finally:
        gpus = item.stash.get(GPUS, None)
        if gpus is not None:
            del item.stash[GPUS]
            gpus.give_back()


def _simulated(item: pytest.Item, wanted: GpusWanted) -> TestGpus:
    if not (devices := simulated_devices(item, wanted)):
        pytest.fail(f"needs {wanted}; fake_sandboxes(gpus=...) has others", pytrace=False)
    return TestGpus(devices, wanted.texts)


def _leased(item: pytest.Item, wanted: GpusWanted) -> TestGpus:
    from pytest_sandbox.gpus import (
        GpusMissing,
        GpusTaken,
        GpusUnavailable,
        LeaseWanted,
        take_lease,
        this_machine,
    )

    settings = gpu_settings(item.config)
    names: list[str] = []
    try:
        machine = this_machine()
        names = [device.name for device in machine.devices]
        asked = LeaseWanted(wanted.requests, item.nodeid, wanted.memory, settings.wait)
        lease = take_lease(machine, asked)
    except GpusTaken as error:
        pytest.fail(str(error), pytrace=False)
    except GpusMissing as error:
        reason = str(error)
    except GpusUnavailable as error:
        reason = f"needs {wanted}; this machine has none: {error}"
    else:
        return TestGpus(lease.devices, lease.name, lease, own=not takes_sandbox(item))
    if errors := misspelt_kinds(wanted, names):
        pytest.fail("\n".join(errors), pytrace=False)
    if settings.mode == "require":
        pytest.fail(f"{settings}: {reason}", pytrace=False)
    raise skip_of_test(reason)


def _show(gpus: TestGpus) -> None:
    from pytest_sandbox.gpus import VISIBLE, VISIBLE_BEFORE

    uuids = ",".join(device.uuid for device in gpus.devices)
    variables = {VISIBLE: uuids, "NVIDIA_VISIBLE_DEVICES": uuids}
    # What the user or a batch system gave to the run: other processes of it, such as the engine,
    # have to know.
    if VISIBLE in os.environ:
        variables[VISIBLE_BEFORE] = os.environ[VISIBLE]
    gpus.show(variables)


def gpu_keywords(item: pytest.Item) -> dict[str, str | list[str]]:
    """The keywords by which the sandboxes of a test get its GPUs; none if it asks for none."""
    gpus = item.stash.get(GPUS, None)
    return {} if gpus is None else {FIXTURE: gpus.request}
