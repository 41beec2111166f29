"""Checks of tasks and engines: creation, end, errors, what an engine lacks, ports, GPUs."""

from ..check import collect
from . import (
    agreement,
    closing,
    errors,
    gpus,
    memberships,
    networks,
    ports,
    prepare,
    refusals,
    sidecars,
    tasks,
)

#: In the order in which they are best read.
CHECKS = collect(
    *(errors, tasks, prepare, ports, networks, memberships, sidecars, gpus, agreement, refusals)
)

#: The end of an engine; each check closes the engine that it is given.
CLOSING = collect(closing)

__all__ = ["CHECKS", "CLOSING"]
