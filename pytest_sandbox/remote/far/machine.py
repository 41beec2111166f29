"""What this machine is, for people."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from pytest_sandbox.engine import Capability

from ..wire.infos import FarMachine

if TYPE_CHECKING:
    from pytest_sandbox.engine import EngineInfo


def this_machine(info: EngineInfo) -> FarMachine:
    """The machine, as an engine can use it.

    Args:
        info: of the engine; only one with GPUs has those of the machine looked for.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    gpus = tuple(kinds_of_gpus()) if Capability.GPU in info.capabilities else ()
    return FarMachine(socket.gethostname(), len(os.sched_getaffinity(0)), memory, gpus)


def kinds_of_gpus() -> list[str]:
    """The kind of each GPU of this machine; empty if there are none, or no driver that says."""
    from pytest_sandbox.gpus import GpusUnavailable
    from pytest_sandbox.gpus import this_machine as gpus_of_this_machine

    try:
        return [device.name for device in gpus_of_this_machine().devices]
    except GpusUnavailable:
        return []
