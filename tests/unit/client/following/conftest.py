"""Sandboxes in memory, whose calls are recorded or not."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from grpclib import GRPCError, Status

from pytest_sandbox.client.transport.channels import Channels
from pytest_sandbox.inmemory import FakeSandboxes

#: Has each call of a method of a servicer break off before it has sent so many responses.
Cut = Callable[[type, str, int], None]


@pytest.fixture
def fake() -> Iterator[FakeSandboxes]:
    with FakeSandboxes(allow=["unwaited-processes"]) as fake:
        yield fake


@pytest.fixture(params=["recorded", "ahead"])
def either(fake: FakeSandboxes, request: pytest.FixtureRequest) -> FakeSandboxes:
    """With calls recorded, or without: then output is sent before it is asked for."""
    if request.param == "ahead":
        fake.rpcs.close()
    return fake


@pytest.fixture
def ahead(fake: FakeSandboxes) -> FakeSandboxes:
    fake.rpcs.close()
    return fake


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Channels]:
    """For each call on the wire, of whichever client, what it was made through."""
    made: list[Channels] = []
    link = Channels.link

    @contextlib.contextmanager
    def counted(self: Channels) -> Iterator[Any]:
        made.append(self)
        with link(self) as each:
            yield each

    monkeypatch.setattr(Channels, "link", counted)
    return made


@pytest.fixture
def starts(either: FakeSandboxes) -> list[None]:
    """One item for each start of `slowly`, which writes to both streams in turn."""
    starts: list[None] = []

    async def slowly(call: Any) -> int:
        starts.append(None)
        data = await call.read_all()
        call.out(data)
        for number in range(3):
            await call.sleep(1)
            (call.err if number % 2 else call.out)(str(number))
        return 3

    either.on_exec("slowly").calls(slowly)
    return starts


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Cut:
    def cut(servicer: type, method: str, after: int) -> None:
        whole = getattr(servicer, method)

        @functools.wraps(whole)
        async def broken(self: Any, requests: Any, call: Any) -> AsyncIterator[Any]:
            left = after
            async with contextlib.aclosing(whole(self, requests, call)) as responses:
                async for response in responses:
                    if not left:
                        raise GRPCError(Status.UNAVAILABLE, "the connection broke")
                    left -= 1
                    yield response

        monkeypatch.setattr(servicer, method, broken)

    return cut
