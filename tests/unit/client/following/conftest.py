"""Sandboxes in memory, whose calls are recorded or not."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox.client.transport.channels import Channels
from pytest_sandbox.inmemory import FakeSandboxes

if TYPE_CHECKING:
    from collections.abc import Iterator


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
