"""Runs of pytest on clusters of Ray."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from pytest_sandbox.cluster.on_ray import placer as placer_module
from pytest_sandbox.cluster.on_ray.nodes import RayNodes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class WithGpus(RayNodes):
    """Nodes whose simulated GPUs Ray counts, as it does with others: in this process only."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.simulates_gpus = False


@pytest.fixture(scope="module")
def counted_gpus() -> Iterator[None]:
    """Has Ray count the GPUs that nodes simulate, since there are no others here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(placer_module, "RayNodes", WithGpus)
        yield


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
