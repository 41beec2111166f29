"""A server over an engine in memory, reached by real gRPC through memory."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from pytest_sandbox.engine import Engine, EngineUnavailable
from pytest_sandbox.engines import load_engine

from .engines import GatedEngine
from .harness import Harness, serve


@pytest.fixture
def engine() -> Engine:
    """The engine of the server; a file may have its own."""
    return GatedEngine()


@pytest_asyncio.fixture
async def server(engine: Engine) -> AsyncIterator[Harness]:
    async with serve(engine) as harness:
        yield harness


@pytest_asyncio.fixture
async def local() -> AsyncIterator[Harness]:
    """The same over the local engine."""
    try:
        async with serve(load_engine("local")) as harness:
            yield harness
    except EngineUnavailable as error:
        pytest.skip(f"no local engine here: {error.reason}")
