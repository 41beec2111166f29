"""Connections to a far side that are there when nobody wants them any more."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_sandbox._shared.network.engine_address import RemoteAddress
from pytest_sandbox.remote.link import near as near_module
from pytest_sandbox.remote.link.near import _dial
from pytest_sandbox.remote.link.timing import Timing

ADDRESS = RemoteAddress.parse("grpc://token@127.0.0.1:1")


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.asyncio
async def test_who_closes_a_link_in_the_turn_in_which_it_is_connected_has_none(
    turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the far side would keep a session of which nobody here knows."""
    aborted: list[int] = []
    carrier: Any = SimpleNamespace(transport=SimpleNamespace(abort=lambda: aborted.append(1)))
    connected: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def dial(*_: object) -> Any:
        return await connected

    monkeypatch.setattr(near_module, "dial", dial)
    dialing = asyncio.ensure_future(_dial(ADDRESS, "p", Timing()))
    for _ in range(3):
        await asyncio.sleep(0)
    connected.set_result((carrier, "welcome"))
    for _ in range(turns):
        await asyncio.sleep(0)
    if not dialing.cancel():
        return
    with pytest.raises(asyncio.CancelledError):
        await dialing
    await asyncio.sleep(0)
    assert aborted == [1]
