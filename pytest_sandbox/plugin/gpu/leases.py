"""Leases of tests: taken before the first fixture, given back after the last."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ..templates.pytest_internals import skip_of_test
from ..templates.taken import taken_templates
from .held import GPUS, GPUS_NOW, TestGpus
from .marker import wanted_gpus
from .options import gpu_settings
from .tested import are_elsewhere, gpus_of_sandboxes, is_in_cloud, is_simulated, takes_sandbox

if TYPE_CHECKING:
    from collections.abc import Generator

    from .marker import GpusWanted

#: The name under which a test's report tells of its GPUs.
PROPERTY = "gpu"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Lease what a test asks for, or skip it."""
    wanted = wanted_gpus(item)
    if wanted is not None:
        give_gpus(item, wanted)
    elif (of_sandboxes := gpus_of_sandboxes(item)) is not None and not is_in_cloud(item):
        from .missing import skip_without

        skip_without(item, of_sandboxes)


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
    _refuse_shared_copies(item)
    if settings.mode == "skip":
        raise skip_of_test(f"{settings}: needs {wanted}")
    if is_in_cloud(item):
        from .in_cloud import gpus_in_cloud  # late: few runs are there

        gpus = gpus_in_cloud(item, wanted)
    elif are_elsewhere(item) and not simulated:
        from .elsewhere import gpus_elsewhere  # late: likewise

        gpus = gpus_elsewhere(item, wanted)
    else:
        gpus = _simulated(item, wanted) if simulated else _leased(item, wanted)
    item.stash[GPUS] = item.config.stash[GPUS_NOW] = gpus
    if not takes_sandbox(item):
        _show(gpus)
    where = "in its sandbox" if takes_sandbox(item) else "in the process of pytest"
    names = ", ".join(map(str, gpus.devices)) or f"{wanted} of another machine"
    item.user_properties.append((PROPERTY, f"{'simulated ' if simulated else ''}{names} {where}"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """Give the devices back after the fixtures and the sandboxes of the test have ended."""
    try:
        return (yield)
    finally:
        gpus = item.stash.get(GPUS, None)
        if gpus is not None:
            del item.stash[GPUS], item.config.stash[GPUS_NOW]
            gpus.give_back()


def _simulated(item: pytest.Item, wanted: GpusWanted) -> TestGpus:
    from .simulated import simulated_devices

    reason = ""
    try:
        request, devices = simulated_devices(item, wanted)
    except ValueError as error:
        reason = str(error)
    # Not raised above: as a further error it would show both.
    if reason:
        pytest.fail(reason, pytrace=False)
    return TestGpus(devices, request)


def _leased(item: pytest.Item, wanted: GpusWanted) -> TestGpus:
    from pytest_sandbox.gpus import (
        GpusMissing,
        GpusTaken,
        GpusUnavailable,
        GpusUnusable,
        LeaseWanted,
        take_lease,
        this_machine,
    )

    names: list[str] = []
    lease, reason, taken = None, "", False
    wait = gpu_settings(item.config).wait
    try:
        machine = this_machine()
        names = [device.name for device in machine.devices]
        lease = take_lease(machine, LeaseWanted(wanted.requests, item.nodeid, wanted.memory, wait))
    # What pytest raises instead is raised below: as a further error it would show both.
    except (GpusTaken, GpusUnusable) as error:
        reason, taken = str(error), True
    except GpusMissing as error:
        reason = str(error)
    except GpusUnavailable as error:
        reason = f"needs {wanted}; this machine has none: {error}"
    if lease is not None:
        return TestGpus(lease.devices, lease.name, lease, own=not takes_sandbox(item))
    if taken:
        pytest.fail(reason, pytrace=False)
    from .missing import skip_or_fail

    return skip_or_fail(item, wanted, names, reason)


def _refuse_shared_copies(item: pytest.Item) -> None:
    """Refuse the marker where a template leases GPUs too, for longer than a test.

    The test would wait for its own sandbox.
    """
    for each in taken_templates(item):
        if each.scope != "function" and each.template.spec.get("gpu") is not None:
            pytest.fail(
                f"the copy of the template {each.name!r}, which all tests of a {each.scope} share, "
                f"has GPUs by gpu={each.template.spec['gpu']!r}, and the test asks for others; "
                "leave out @pytest.mark.gpu, or give the template scope='session'",
                pytrace=False,
            )


def _show(gpus: TestGpus) -> None:
    from pytest_sandbox.gpus import VISIBLE, VISIBLE_BEFORE

    uuids = ",".join(device.uuid for device in gpus.devices)
    variables = {VISIBLE: uuids, "NVIDIA_VISIBLE_DEVICES": uuids}
    # What the user or a batch system gave to the run: other processes of it, such as the engine,
    # have to know.
    if VISIBLE in os.environ:
        variables[VISIBLE_BEFORE] = os.environ[VISIBLE]
    gpus.show(variables)
