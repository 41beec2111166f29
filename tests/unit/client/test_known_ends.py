"""What is known of a command that has ended costs no call, and wakes nobody."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from pytest_sandbox.client import Sandbox
from pytest_sandbox.client.transport.portal import Portal, portal
from pytest_sandbox.inmemory import FakeSandboxes

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def fake() -> Iterator[FakeSandboxes]:
    """Without recorded calls: what ends is told unasked."""
    with FakeSandboxes() as fake:
        fake.rpcs.close()
        yield fake


def ended_command() -> Any:
    """A command whose exit code has come, unasked."""
    process = Sandbox.create().exec("echo", "out")
    assert process.stdout.read() == "out\n"
    settled()
    return process


def settled() -> None:
    """Let everything happen that needs no time; a call."""

    async def settle() -> None:
        await asyncio.get_running_loop().settled()  # type: ignore[attr-defined]

    portal().run(settle)


def test_a_code_that_has_come_is_known_without_a_call(
    fake: FakeSandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited, polled, awaited = ended_command(), ended_command(), ended_command()

    def refuse(*args: object, **options: object) -> NoReturn:
        raise AssertionError("the loop of the client was asked")

    with monkeypatch.context() as patched:
        patched.setattr(Portal, "call", refuse)
        assert (waited.wait(), waited.poll(), waited.returncode) == (0, 0, 0)
        assert (polled.poll(), polled.wait()) == (0, 0)
        assert asyncio.run(awaited.wait.aio()) == 0


def test_a_code_that_has_not_come_is_asked_for(fake: FakeSandboxes) -> None:
    process = Sandbox.create().exec("sh", "-c", "read line; exit 3")
    assert process.poll() is None
    process.stdin.write("line\n")
    process.stdin.drain()
    assert (process.wait(), process.poll()) == (3, 3)


def test_what_was_waited_for_stays_known(fake: FakeSandboxes) -> None:
    process = ended_command()
    assert process.wait() == 0
    record_start = fake.client.inspector.record_start
    first = record_start()
    assert process.wait() == 0
    assert [record.rpc for record in fake.client.inspector.record(first).records] == []


def test_nobody_is_woken_when_a_command_that_has_ended_is_dropped(
    fake: FakeSandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = ended_command()
    following = process._execution.following
    woken: list[object] = []
    with monkeypatch.context() as patched:
        patched.setattr(Portal, "call_soon", lambda self, function: woken.append(function))
        del process
    assert (woken, following.over) == ([], False)

    settled()
    assert following.over


def test_one_that_runs_is_given_up_at_once(
    fake: FakeSandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    process: Any = Sandbox.create().exec("sleep", "100")
    woken: list[object] = []
    call_soon = Portal.call_soon

    def noted(self: Portal, function: Any) -> None:
        woken.append(function)
        call_soon(self, function)

    closes = process._execution.following.close
    with monkeypatch.context() as patched:
        patched.setattr(Portal, "call_soon", noted)
        del process
    assert woken == [closes]


def test_no_timer_is_left_when_all_has_come(fake: FakeSandboxes) -> None:
    process = ended_command()
    following = process._execution.following
    assert following._telling is None
    assert process.wait() == 0
    assert following._telling is None
