"""The GPUs of tasks: leased before a task is made, given back when it has ended."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from pytest_sandbox._shared.gpus.requests import LEASE, GpuRequest, in_words
from pytest_sandbox.engine import InvalidSpec, Unsupported
from pytest_sandbox.gpus import (
    GpusMissing,
    GpusTaken,
    GpusUnavailable,
    LeaseWanted,
    NoSuchLease,
    adopt_lease,
    take_lease,
    this_machine,
)

from .simulated import described, simulated_lease

if TYPE_CHECKING:
    from pytest_sandbox.engine import Gpus
    from pytest_sandbox.gpus import GpuDevice, GpuLease

    from .found import FoundGpus, GpuFile


class TaskGpus:
    """The GPUs that one task has.

    Args:
        lease: of them.
        found: what sandboxes with GPUs need of the machine.
    """

    def __init__(self, lease: GpuLease, found: FoundGpus) -> None:
        self._lease = lease
        self._found = found

    @property
    def devices(self) -> tuple[GpuDevice, ...]:
        """The devices."""
        return self._lease.devices

    @property
    def files(self) -> list[GpuFile]:
        """What its sandbox gets of the machine."""
        own = [file for device in self.devices for file in self._found.of(device)]
        return list(dict.fromkeys([*self._found.common, *own]))

    @property
    def folder(self) -> str:
        """A directory of programs that is not on the path of sandboxes."""
        return self._found.folder

    @property
    def env(self) -> dict[str, str]:
        """Variables of its environment."""
        uuids = ",".join(device.uuid for device in self.devices)
        return {
            **self._found.env,
            **(described(self.devices) if self._found.simulated else {}),
            "CUDA_VISIBLE_DEVICES": uuids,
            "NVIDIA_VISIBLE_DEVICES": uuids,
            "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
        }

    def release(self) -> None:
        """Give them back; once more has no effect."""
        self._lease.release()


async def lease_for(gpus: Gpus, name: str, found: FoundGpus, wait: float) -> TaskGpus:
    """Lease the GPUs that a task asks for.

    Args:
        gpus: what it asks for.
        name: of the task, for those who wait.
        found: what sandboxes with GPUs need of the machine.
        wait: seconds to wait for devices that others have.

    Raises:
        Unsupported: this machine has no such devices, or others have them for too long.
        InvalidSpec: it names a lease that nobody has.
    """
    if found.missing:
        raise Unsupported(_shown(gpus), found.missing)
    if found.simulated:
        return TaskGpus(simulated_lease(gpus), found)
    cancelled = threading.Event()
    # In a thread, as it waits; what a thread got after we have given up is given back.
    leasing = asyncio.get_running_loop().run_in_executor(
        None, lambda: _lease(gpus, name, wait, cancelled)
    )
    try:
        lease = await asyncio.shield(leasing)
    except asyncio.CancelledError:
        cancelled.set()
        leasing.add_done_callback(_give_back)
        raise
    taken = TaskGpus(lease, found)
    if lost := [device for device in lease.devices if not found.of(device)]:
        taken.release()
        raise Unsupported(_shown(gpus), _lost(found, lost[0]))
    return taken


def _lost(found: FoundGpus, device: GpuDevice) -> str:
    if device.part is None:
        return f"{found.origin} has no {device.node} of GPU {device.index}"
    return (
        f"{found.origin} has no GPU {device.number}, a part of a GPU (MIG): a CDI specification "
        "has; make it with `nvidia-ctk cdi generate`"
    )


def _lease(gpus: Gpus, name: str, wait: float, cancelled: threading.Event) -> GpuLease:
    try:
        if gpus.kind.startswith(LEASE):
            return adopt_lease(gpus.kind)
        asked = LeaseWanted(_requests(gpus), name, wait=wait)
        return take_lease(this_machine(), asked, cancelled.is_set)
    except NoSuchLease as error:
        raise InvalidSpec(f"gpus: {error}") from error
    except (GpusMissing, GpusTaken, GpusUnavailable) as error:
        raise Unsupported(_shown(gpus), str(error)) from error


def _give_back(leasing: asyncio.Future[GpuLease]) -> None:
    if not leasing.cancelled() and leasing.exception() is None:
        leasing.result().release()


def _requests(gpus: Gpus) -> tuple[GpuRequest, ...]:
    return tuple(GpuRequest(each.kind, each.count) for each in (gpus, *gpus.otherwise))


def _shown(gpus: Gpus) -> str:
    if gpus.kind.startswith(LEASE):
        return "the GPUs of a lease"
    return in_words(_requests(gpus), None)
