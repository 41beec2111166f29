"""Shows the output of builds."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from pytest_sandbox._proto.common_pb2 import TaskLogs

#: How many `with enable_output()` there are now.
_enabled: list[None] = []


@contextlib.contextmanager
def enable_output() -> Generator[None, None, None]:
    """While the `with` lasts, print what the steps of images write while they are built.

    Modal's clients print the progress of their other calls too.
    """
    _enabled.append(None)
    try:
        yield
    finally:
        _enabled.pop()


def show(logs: Iterable[TaskLogs]) -> None:
    """Print output of a step, if that is wanted."""
    if _enabled:
        for log in logs:
            sys.stdout.write(log.data)
