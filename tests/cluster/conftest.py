"""Runs of pytest on clusters of Ray."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path


class Outcome(Protocol):
    async def __call__(self, address: str, *options: str, engine: str = "ray") -> str: ...


async def _outcome(folder: Path, address: str, *options: str, engine: str = "ray") -> str:
    """What a run of the tests in a folder, on the cluster at an address, prints."""
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options),
        f"--sandbox-engine={engine}",
        cwd=folder,
        env={**os.environ, "PYTEST_ADDOPTS": "", "RAY_ADDRESS": address},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    return (await running.communicate())[0].decode()


@pytest.fixture(scope="session")
def outcome_in() -> Callable[..., Awaitable[str]]:
    """What a run of the tests in a folder prints."""
    return _outcome


@pytest.fixture
def outcome(tmp_path: Path) -> Outcome:
    """The same, of the tests in `tmp_path`."""
    return partial(_outcome, tmp_path)
