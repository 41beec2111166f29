"""One engine for all workers of pytest-xdist, owned by the controller."""

import contextlib
from typing import Any

import pytest

from .engine import ENGINE


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker where the run is."""
    node.config.stash[ENGINE].hand_over(node.workerinput)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """End the sandboxes of a worker that crashed."""
    if error:
        # What goes wrong here must not end the other workers, and the end of the run is near.
        with contextlib.suppress(Exception):
            node.config.stash[ENGINE].end_worker(node.workerinput["workerid"])
