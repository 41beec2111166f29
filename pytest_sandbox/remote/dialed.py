"""An engine at an address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._shared.network.engine_address import InvalidAddress, RemoteAddress
from pytest_sandbox.engine import EngineUnavailable

from .link.near import NearLink, probe
from .near.engine import RemoteEngine
from .protocol import PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .near.connection import FarConnection


def remote_engine(
    address: RemoteAddress,
    options: Mapping[str, str],
    on_over: Callable[[str], object] | None = None,
    machine: str = "",
) -> RemoteEngine:
    """The engine at an address, not yet started.

    Args:
        address: of the far side.
        options: for the engine there; of `RUN_OPTIONS`.
        machine: what errors call it; where it is, if not given.
        on_over: called with the reason when the engine is gone, or was closed.
    """

    async def connect() -> FarConnection:
        link = NearLink(address, PROTOCOL)
        link.machine, link.host = machine or link.machine, machine
        await link.connect()
        if on_over is not None:
            link.over.add_done_callback(lambda over: on_over(over.result()))
        return link

    return RemoteEngine(connect, options=options)


async def machine_of(address: RemoteAddress) -> str:
    """What the machine at an address is: `"64 processors, 2 x H100"`.

    Raises:
        EngineUnavailable: it cannot be reached, is not the right one, or refuses.
    """
    return await probe(address, PROTOCOL)


async def machine_at(address: str) -> str:
    """What the machine at an address is, `"64 processors, 2 x H100"`, or why it cannot be used."""
    try:
        return await machine_of(RemoteAddress.parse(address))
    except (EngineUnavailable, InvalidAddress) as error:
        return error.reason
