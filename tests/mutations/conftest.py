"""Each engine once, for all checks."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from pytest_sandbox.engine import Engine, EngineInfo, EngineUnavailable, SystemClock
from pytest_sandbox.fakes import FakeEngine
from pytest_sandbox.local import LocalEngine

from .programs import ASK, COUNT, LISTEN, ask, count, listen


def played() -> Engine:
    """An engine in memory, which plays the programs that it does not have."""
    engine = FakeEngine(clock=SystemClock())
    engine.on_exec("python3", "-c", LISTEN, ...).calls(listen)
    engine.on_exec("python3", "-c", ASK, ...).calls(ask)
    engine.on_exec(*COUNT).calls(count)
    return engine


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["fake", "local"])
async def started(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Engine, EngineInfo]]:
    engine = played() if request.param == "fake" else LocalEngine()
    try:
        info = await engine.start()
    except EngineUnavailable as error:
        pytest.skip(f"the engine cannot do this here: {error.reason}")
    yield engine, info
    await engine.close()
