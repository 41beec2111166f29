"""Runs of pytest on clusters of Ray."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from pathlib import Path


class Outcome(Protocol):
    async def __call__(self, address: str, *options: str, engine: str = "ray") -> str: ...


@pytest.fixture
def outcome(tmp_path: Path) -> Outcome:
    """What a run of the tests in `tmp_path`, on the cluster at an address, prints."""

    async def of(address: str, *options: str, engine: str = "ray") -> str:
        running = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options),
            f"--sandbox-engine={engine}",
            cwd=tmp_path,
            env={**os.environ, "PYTEST_ADDOPTS": "", "RAY_ADDRESS": address},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return (await running.communicate())[0].decode()

    return of
