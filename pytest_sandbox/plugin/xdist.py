"""One engine for all workers of pytest-xdist; the controller owns it."""

import contextlib
from typing import Any

import pytest

from .engine import ENGINE


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """End the sandboxes of a worker that crashed."""
    if error:
        # An error here must not end the other workers; the end of the run ends these sandboxes.
        with contextlib.suppress(Exception):
            node.config.stash[ENGINE].end_worker(node.workerinput["workerid"])
