"""Skips the tests of this folder where CRIU does not work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from pytest_sandbox.engine import (
    TaskSpec,
    Unsupported,
)

if TYPE_CHECKING:
    from pytest_sandbox.local import LocalEngine


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def can_do_it(engine: LocalEngine) -> None:
    try:
        task = await engine.create(TaskSpec(freezable=True))
    except Unsupported as refusal:
        pytest.skip(str(refusal))
    await task.kill()
