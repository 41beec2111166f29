"""Errors between the engine and its own processes, before they become those of the contract."""

from __future__ import annotations

from pytest_sandbox.engine import TaskEnded


class BuildFailed(Exception):
    """The sandbox could not be built.

    Args:
        reason: what the kernel said.
    """

    def __init__(self, reason: OSError) -> None:
        super().__init__(str(reason))
        self.reason = reason


class OperationFailed(Exception):
    """The processes of a sandbox cannot be dumped or restored; says why."""


def task_ended(detail: str = "") -> TaskEnded:
    """The error of every request to a sandbox that has ended; `detail` says why it did."""
    return TaskEnded(f"the task has ended: {detail}" if detail else "the task has ended")
