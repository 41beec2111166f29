"""Each engine once, for all checks."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from pytest_sandbox.engine import Engine, EngineInfo, EngineUnavailable, SystemClock
from pytest_sandbox.fakes import FakeEngine
from pytest_sandbox.local import LocalEngine


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["fake", "local"])
async def started(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Engine, EngineInfo]]:
    engine: Engine = FakeEngine(clock=SystemClock()) if request.param == "fake" else LocalEngine()
    try:
        info = await engine.start()
    except EngineUnavailable as error:
        pytest.skip(f"the engine cannot do this here: {error.reason}")
    yield engine, info
    await engine.close()
