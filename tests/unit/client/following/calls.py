"""What tests of calls that stand for several share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pytest_sandbox.client.transport.portal import portal

if TYPE_CHECKING:
    from pytest_sandbox.client.transport.channels import Channels
    from pytest_sandbox.inmemory import FakeSandboxes


def of(fake: FakeSandboxes, calls: list[Channels]) -> int:
    """How many calls its client made."""
    return sum(each is fake.client.calls._channels for each in calls)


async def echo(call: Any) -> int:
    """Writes what it reads to both streams, and fails."""
    data = await call.read_all()
    call.out(data)
    call.err(data)
    return 3


def settled() -> None:
    """Let everything happen that needs no time."""

    async def settle() -> None:
        await asyncio.get_running_loop().settled()  # type: ignore[attr-defined]

    portal().run(settle)


def tell(process: Any) -> None:
    """Have the server told what is asked for, without the moment in which it may come."""

    async def tell() -> None:
        process._execution.following._tell()

    portal().run(tell)
    settled()
