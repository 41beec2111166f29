"""Refusing what this engine does not have, by the names that its users know."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_sandbox.engine import Host, TaskSpec, Unsupported
from pytest_sandbox.engine import check_task as check_any_task

from .task import check

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOSTNAME = TaskSpec().hostname
_SHARED_COUNT = "the kernel counts all processes of your user together"


def check_task(spec: TaskSpec) -> None:
    """Refuse a task that cannot be.

    Raises:
        InvalidSpec: no engine could run it.
        Unsupported: this one cannot.
    """
    check_any_task(spec)
    if spec.main is not None:
        check(spec.main)
    for feature, reason in _lacking(spec):
        raise Unsupported(feature, f"{reason}, with the engine 'process'")


def _lacking(spec: TaskSpec) -> Iterator[tuple[str, str]]:
    """What is asked for and is not there, with the reason."""
    for feature, asked, reason in (
        ("image", not isinstance(spec.image, Host), f"not {spec.image}: files are this machine's"),
        ("memory snapshot", spec.freezable or spec.resume, "processes are this machine's"),
        ("snapshot", spec.exit_snapshot, "files are this machine's"),
        ("volume", spec.volumes, "nothing can be mounted on this machine"),
        ("project", spec.project, "sandboxes see the project itself, and get no copy to change"),
        ("gpu", spec.gpus, "a sandbox could use every GPU that its user may open"),
        ("network", spec.network, "sandboxes have the network of this machine"),
        ("sandbox network", spec.membership, "sandboxes have the network of this machine"),
        ("hostname", spec.hostname != _HOSTNAME, "sandboxes have the name of this machine"),
        ("cpu limit", spec.limits.cpus, "it needs cgroups, which this engine does not use"),
        ("memory limit", spec.limits.memory, "it needs cgroups, which this engine does not use"),
        ("process limit", spec.limits.processes and os.geteuid(), _SHARED_COUNT),
        ("workdir", not _is_there(spec.workdir), f"{spec.workdir} is no directory here"),
    ):
        if asked:
            yield feature, reason


def _is_there(workdir: str | None) -> bool:
    return workdir is None or os.path.isdir(workdir)
