"""A server over an engine in memory, reached by real gRPC through memory."""

from collections.abc import AsyncIterator

import pytest_asyncio

from .harness import Harness, serve


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Harness]:
    async with serve() as harness:
        yield harness
