"""A run that finds no cluster of Ray starts one, which lasts as long as the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Outcome

pytest.importorskip("ray", reason="needs the package ray")


@pytest.mark.asyncio
async def test_a_cluster_is_started_for_the_run(tmp_path: Path, outcome: Outcome) -> None:
    (tmp_path / "test_it.py").write_text(
        "def test_nothing(sandbox): sandbox.run('true')\n"
        "def test_cpu(sandbox_factory): sandbox_factory(cpu=0.125).run('true')\n"
        "def test_it_is_restored(sandbox_factory):\n"
        "    sandbox = sandbox_factory(cpu=1)\n"
        "    image = sandbox.snapshot_filesystem()\n"
        "    sandbox.restore(image)\n"
        "    sandbox.run('true')\n"
    )
    text = await outcome("local")  # whatever clusters there are
    assert "3 passed" in text, text
