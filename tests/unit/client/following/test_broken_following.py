"""The calls that one call stands for go on wherever it breaks off."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox.client import Sandbox, exceptions
from pytest_sandbox.server.own import follower
from pytest_sandbox.server.own.following import FollowServicer

from .calls import of

if TYPE_CHECKING:
    from pytest_sandbox.client.transport.channels import Channels
    from pytest_sandbox.inmemory import FakeSandboxes

    from .conftest import Cut

# Where it breaks off


@pytest.mark.parametrize("after", range(6))
def test_run_goes_on_where_it_was_cut(
    starts: list[None], cut: Cut, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "_HELD", 1)
    cut(FollowServicer, "ExecFollow", after)

    done = Sandbox.create().run("slowly", input="in")

    assert (done.stdout, done.stderr, done.returncode) == ("in02", "1", 3)
    assert len(starts) == 1


@pytest.mark.parametrize("after", range(6))
def test_exec_goes_on_where_it_was_cut(starts: list[None], cut: Cut, after: int) -> None:
    cut(FollowServicer, "ExecFollow", after)

    process = Sandbox.create().exec("slowly")
    process.stdin.write("in")
    process.stdin.write_eof()
    process.stdin.drain()

    assert (process.stdout.read(), process.wait(), process.stderr.read()) == ("in02", 3, "1")
    assert len(starts) == 1


def test_run_waits_for_a_command_that_takes_its_time(
    either: FakeSandboxes, calls: list[Channels], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "_STARTED_AFTER", 0.01)
    monkeypatch.setattr("pytest_sandbox.client.process.open_stream._ANSWER", 0.1)
    overdue: list[None] = []

    async def slowly(call: Any) -> int:
        await asyncio.to_thread(threading.Event().wait, 0.3)
        overdue.append(None)
        return 3

    either.on_exec("slowly").calls(slowly)
    sandbox = Sandbox.create()
    calls.clear()

    assert sandbox.run("slowly").returncode == 3
    assert (of(either, calls), len(overdue)) == (1, 1)


@pytest.mark.parametrize("way", ["run", "exec"])
def test_a_start_that_hangs_is_tried_again_by_a_call_with_a_deadline(
    either: FakeSandboxes, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr("pytest_sandbox.client.process.open_stream._ANSWER", 0.01)
    start = FollowServicer._started
    given_up: list[None] = []

    async def hang(self: FollowServicer, *args: Any) -> Any:
        try:
            await asyncio.to_thread(threading.Event().wait, 0.3)  # meanwhile, no time passes
        except asyncio.CancelledError:
            given_up.append(None)
            raise
        return await start(self, *args)

    monkeypatch.setattr(FollowServicer, "_started", hang)
    sandbox = Sandbox.create()

    if way == "run":
        assert sandbox.run("sh", "-c", "exit 3").returncode == 3
    else:
        assert sandbox.exec("sh", "-c", "exit 3").wait() == 3
    assert len(given_up) == 1


def test_a_command_that_cannot_start_is_tried_once(either: FakeSandboxes) -> None:
    sandbox = Sandbox.create()
    for start in (sandbox.exec, sandbox.run):
        with pytest.raises(exceptions.InvalidError, match="no-such"):
            start("/no-such")
    (served,) = either._app.state.sandboxes.all()
    assert len(served.commands.failed_starts) == 2
