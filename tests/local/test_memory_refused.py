"""Where memory snapshots cannot be taken, an error says so at once, with what to do."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox.engine import (
    Capability,
    MemorySnapshot,
    TaskSpec,
    Unsupported,
)
from pytest_sandbox.local import LocalEngine, LocalOptions

from .conftest import needs_root

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_sandbox.local.engine.task import LocalTask

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def refusal(engine: LocalEngine, spec: TaskSpec) -> str:
    with pytest.raises(Unsupported) as refused:
        await engine.create(spec)
    return str(refused.value)


async def test_an_ordinary_user_is_told_that_it_takes_root(
    engine: LocalEngine, task: LocalTask
) -> None:
    if os.geteuid() == 0:
        pytest.skip("needs an ordinary user")
    for spec in (TaskSpec(freezable=True), TaskSpec(resume=MemorySnapshot("x"))):
        assert "only root" in await refusal(engine, spec)
    with pytest.raises(Unsupported, match="only root"):
        await task.snapshot_memory()


TOO_OLD = """#!/bin/sh
echo Version: 3.17.1
"""


@needs_root
@pytest.mark.parametrize(
    ("program", "words"),
    [
        (None, "cannot be run"),
        (TOO_OLD, "is not a 64-bit program"),
        ("/bin/true", "does not print the version"),
    ],
    ids=["missing", "a script", "something else"],
)
async def test_without_a_criu_that_works_it_is_said_what_to_do(
    tmp_path: Path, program: str | None, words: str
) -> None:
    path = tmp_path / "criu"
    if program is not None and program.startswith("/"):
        path.symlink_to(program)
    elif program is not None:
        path.write_text(program)
        path.chmod(0o755)
    engine = LocalEngine(LocalOptions(criu=str(path)))
    info = await engine.start()
    assert Capability.MEMORY_SNAPSHOT not in info.capabilities
    assert words in info.details["no memory snapshot"]
    for spec in (TaskSpec(freezable=True), TaskSpec(resume=MemorySnapshot("x"))):
        told = await refusal(engine, spec)
        assert words in told
        assert "PYTEST_SANDBOX_CRIU" in told
    await engine.close()
