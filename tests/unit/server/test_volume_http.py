"""The server of HTTP for volumes, which ends whatever its clients do."""

from __future__ import annotations

import asyncio

import pytest

from pytest_sandbox.server.volumes.http import _head

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("turns", range(6))
async def test_a_client_that_sends_in_the_turn_of_the_end_does_not_keep_its_connection(
    turns: int,
) -> None:
    """Otherwise the server would wait for its next request when it closes."""
    reader = asyncio.StreamReader()
    reading = asyncio.ensure_future(_head(reader))
    for _ in range(3):
        await asyncio.sleep(0)
    reader.feed_data(b"GET / HTTP/1.1\r\n\r\n")
    for _ in range(turns):
        await asyncio.sleep(0)
    if reading.cancel():
        with pytest.raises(asyncio.CancelledError):
            await reading
