"""Refusing what this engine cannot run, or not on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox.engine import TaskSpec, Unsupported
from pytest_sandbox.engine import check_task as check_any_task

if TYPE_CHECKING:
    from collections.abc import Mapping


def check_task(spec: TaskSpec, refused: Mapping[str, str]) -> None:
    """Refuse a task that cannot be.

    Args:
        spec: what is asked for.
        refused: cgroup controllers that cannot be used here, and why.

    Raises:
        InvalidSpec: no engine could run it.
        Unsupported: this one cannot, here.
    """
    check_any_task(spec)
    if spec.gpus is not None and (spec.freezable or spec.resume is not None):
        raise Unsupported(
            "gpu", "not in a sandbox that can have memory snapshots: CRIU cannot dump a GPU's"
        )
    if spec.volumes and (spec.freezable or spec.resume is not None):
        raise Unsupported(
            "volume", "not in a sandbox that can have memory snapshots: its ids differ"
        )
    if spec.limits.memory is not None and "memory" in refused:
        raise Unsupported("memory limit", refused["memory"])
    if spec.limits.cpus is not None and "cpu" in refused:
        raise Unsupported("cpu limit", refused["cpu"])
