"""How long a client waits for an answer, which Modal is told too."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_sandbox.server import ServedCall


def time_left(call: ServedCall) -> float | None:
    """Seconds until the client of a call gives it up; `None` if it does not."""
    return None if call.deadline is None else max(0.0, call.deadline.time_remaining())
