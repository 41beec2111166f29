"""A sandbox and the output of its main process take one call, which stands for several."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox.client import Sandbox, SandboxSnapshot, exceptions
from pytest_sandbox.client.process import main_following
from pytest_sandbox.client.transport.portal import portal
from pytest_sandbox.engine import StoreFull
from pytest_sandbox.inmemory import FakeSandboxes
from pytest_sandbox.server.own import call_follower
from pytest_sandbox.server.own.main_following import MainFollowServicer

from ..command_stubs import Serve, creating

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_sandbox.client.transport.channels import Channels

    from .conftest import Cut

MIB = 1024 * 1024


@pytest.fixture
def fake() -> Iterator[FakeSandboxes]:
    with FakeSandboxes() as fake:
        yield fake


def settled() -> None:
    """Let everything happen that needs no time."""

    async def settle() -> None:
        await asyncio.get_running_loop().settled()  # type: ignore[attr-defined]

    portal().run(settle)


def following(sandbox: Any) -> Any:
    return sandbox._followed.following


def tell(sandbox: Sandbox) -> None:
    """Have the server told what is read, without the moment in which it may come."""

    async def tell() -> None:
        following(sandbox)._tell()

    portal().run(tell)
    settled()


def served(fake: FakeSandboxes) -> Any:
    (sandbox,) = fake._app.state.sandboxes.all()
    return sandbox


# How many calls


def test_creating_and_reading_is_one_call(ahead: FakeSandboxes, calls: list[Channels]) -> None:
    Sandbox.create()  # looks up the app and the image
    calls.clear()

    sandbox = Sandbox.create("sh", "-c", "echo out; echo err >&2; exit 3")

    assert (sandbox.stdout.read(), sandbox.stderr.read()) == ("out\n", "err\n")
    settled()
    assert (sandbox.poll(), sandbox.returncode, len(calls)) == (3, 3, 1)
    sandbox.wait()
    assert len(calls) == 1


def test_a_sandbox_without_a_command_is_not_followed(ahead: FakeSandboxes) -> None:
    sandbox: Any = Sandbox.create()

    assert sandbox._followed is None
    assert (sandbox.poll(), len(ahead.client.calls.followed_mains)) == (None, 0)


def test_the_sandbox_goes_on_when_nobody_follows_it(ahead: FakeSandboxes) -> None:
    sandbox = Sandbox.create("sleep", "60")
    sandbox_id = sandbox.object_id
    settled()
    ended = following(sandbox)

    del sandbox
    gc.collect()
    settled()

    assert ended.over
    assert Sandbox.from_id(sandbox_id).poll() is None


def test_only_the_last_few_are_followed(
    ahead: FakeSandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_sandbox.client.transport.open_calls.MOST_ENDED", 2)
    sandboxes = [Sandbox.create("sh", "-c", f"echo {number}; cat") for number in range(4)]
    settled()

    assert [following(each).over for each in sandboxes] == [True, True, False, False]
    assert [next(each.stdout) for each in sandboxes] == [f"{number}\n" for number in range(4)]


def test_a_terminated_sandbox_is_not_followed(ahead: FakeSandboxes) -> None:
    sandbox = Sandbox.create("sh", "-c", "echo out; cat")
    settled()

    sandbox.terminate()

    assert following(sandbox).over
    assert (sandbox.poll(), sandbox.stdout.read()) == (137, "out\n")


def test_a_restored_sandbox_is_not_followed(ahead: FakeSandboxes) -> None:
    sandbox: Any = Sandbox.create("sh", "-c", "echo $$; cat")
    assert next(sandbox.stdout).strip().isdigit()
    followed = following(sandbox)

    sandbox.restore(sandbox.snapshot_filesystem())

    assert (followed.over, sandbox._followed) == (True, None)
    assert next(sandbox.stdout).strip().isdigit()


def test_a_sandbox_that_another_restores_begins_anew(either: FakeSandboxes) -> None:
    """What was sent of its former main process, and not read, is nothing to anybody."""
    sandbox = Sandbox.create("sh", "-c", "ls /tmp; cat")
    settled()
    other = Sandbox.from_id(sandbox.object_id)
    other.filesystem.write_text("", "/tmp/file")
    other.restore(other.snapshot_filesystem())
    settled()

    assert next(sandbox.stdout) == "file\n"
    sandbox.terminate()
    assert sandbox.poll() == 137


def test_a_resumed_sandbox_is_followed(ahead: FakeSandboxes, calls: list[Channels]) -> None:
    async def slowly(call: Any) -> None:
        await call.sleep(10)
        call.out("out")

    ahead.on_exec("slowly").calls(slowly)
    original = Sandbox.create("slowly", _experimental_enable_snapshot=True)
    snapshot = original._experimental_snapshot()
    original.terminate()
    calls.clear()

    copy = Sandbox._experimental_from_snapshot(snapshot, name=None)

    assert isinstance(snapshot, SandboxSnapshot)
    assert copy.stdout.read() == "out"
    assert len(calls) == 1


def test_a_server_without_the_call_is_asked_once(serve: Serve, calls: list[Channels]) -> None:
    client = serve(creating({}))
    for _ in range(2):
        calls.clear()
        Sandbox.create("echo", "out", client=client)
    assert len(calls) == 1
    assert main_following.RPC in client.calls.missing


# Flow control


def test_a_little_of_unread_output_comes_ahead(
    ahead: FakeSandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead.on_exec("much").reply(stdout="x" * 9 * MIB, stderr="err")
    sandbox = Sandbox.create("much")
    settled()
    log, _ = served(ahead).commands.main_logs
    came = "".join(
        item.data for output in following(sandbox)._streams[1].came for item in output.batch.items
    )

    assert (len(came), log.end, log.had) == (call_follower.AHEAD, 9 * MIB, 0)
    assert sandbox.stderr.read() == "err"
    assert sandbox.stdout.read() == "x" * 9 * MIB
    assert log.had == 9 * MIB


def test_a_program_whose_output_is_not_read_waits(ahead: FakeSandboxes) -> None:
    """What is sent ahead does not count as read."""
    sandbox = Sandbox.create("sh", "-c", "echo out; cat")
    settled()
    log, _ = served(ahead).commands.main_logs
    log._capacity = log.end  # as large as what is unread

    assert log.full
    assert next(sandbox.stdout) == "out\n"
    tell(sandbox)
    assert not log.full


@pytest.mark.parametrize("data", ["é" * 70_000, b"\xff" * 200_000, b"ab\xe2\x82"])
def test_characters_are_whole(either: FakeSandboxes, data: str | bytes) -> None:
    either.on_exec("much").reply(stdout=data)
    text = data if isinstance(data, str) else data.decode(errors="replace")

    assert Sandbox.create("much").stdout.read() == text


def test_output_that_is_lost_is_an_error(either: FakeSandboxes) -> None:
    sandbox = Sandbox.create("sh", "-c", "echo out; sleep 1")
    settled()
    served(either).commands.main_logs[0].fail(StoreFull("no room"))

    assert next(sandbox.stdout) == "out\n"
    with pytest.raises(exceptions.ResourceExhaustedError, match="no room"):
        sandbox.stdout.read()
    sandbox.wait()


# Where it breaks off


@pytest.mark.parametrize("after", range(6))
def test_it_goes_on_where_it_was_cut(either: FakeSandboxes, cut: Cut, after: int) -> None:
    cut(MainFollowServicer, "SandboxFollow", after)
    script = "for n in 0 1 2 3; do echo $n; echo e$n >&2; sleep 1; done; exit 3"

    sandbox = Sandbox.create("sh", "-c", script)

    assert sandbox.stdout.read() == "0\n1\n2\n3\n"
    assert sandbox.stderr.read() == "e0\ne1\ne2\ne3\n"
    sandbox.wait()
    assert sandbox.returncode == 3
    assert served(either).id == sandbox.object_id


def test_a_read_that_is_given_up_loses_nothing(either: FakeSandboxes) -> None:
    sandbox = Sandbox.create("sh", "-c", "sleep 100; echo out")
    either.clock.autojump = False

    async def give_up() -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(sandbox.stdout.read.aio(), 0.02)

    asyncio.run(give_up())
    either.clock.autojump = True
    assert sandbox.stdout.read() == "out\n"


def test_what_cannot_be_created_is_tried_once(
    either: FakeSandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[None] = []
    create = type(either._engine).create

    async def counted(self: Any, spec: Any) -> Any:
        tried.append(None)
        return await create(self, spec)

    monkeypatch.setattr(type(either._engine), "create", counted)
    with pytest.raises(exceptions.InvalidError, match="no-such"):
        Sandbox.create("/no-such")
    assert len(tried) == 1


# Where calls are looked at


def test_calls_are_recorded_when_they_are_made(fake: FakeSandboxes) -> None:
    sandbox = Sandbox.create("sh", "-c", "echo out; exit 3", tags={"some": "tag"})
    settled()
    names = [call.rpc for call in fake.rpcs]
    assert names[-1] == "SandboxCreate"
    assert sandbox.stdout.read() == "out\n"
    sandbox.wait()
    sandbox.poll()

    assert [call.rpc for call in fake.rpcs][len(names) :] == [
        "SandboxGetLogs",
        "SandboxWait",
        "SandboxWait",
    ]
    made = fake.rpcs.of("SandboxCreate").one()
    assert (made.status, made.sandbox_ids) == ("OK", (sandbox.object_id,))
    assert list(made.definition.entrypoint_args) == ["sh", "-c", "echo out; exit 3"]
    assert {"x-idempotency-key", "x-retry-attempt"} <= made.metadata.keys()


def test_a_creation_that_fails_is_recorded_so(fake: FakeSandboxes) -> None:
    with pytest.raises(exceptions.InvalidError):
        Sandbox.create("/no-such")
    assert fake.rpcs.of("SandboxCreate").one().status == "INVALID_ARGUMENT"


@pytest.mark.parametrize("ended", [True, False])
def test_calls_are_recorded_from_the_moment_on(ahead: FakeSandboxes, ended: bool) -> None:
    sandbox = Sandbox.create("sh", "-c", "echo out" if ended else "echo out; sleep 1")
    settled()
    inspector = ahead.client.inspector
    first = inspector.record_start()

    assert sandbox.stdout.read() == "out\n"
    settled()
    assert sandbox.poll() == 0
    made = inspector.record(first).records
    assert [record.rpc for record in made] == ["SandboxGetLogs", "SandboxWait"]


@pytest.mark.parametrize("ended", [True, False])
def test_a_fault_hits_calls_about_what_runs(either: FakeSandboxes, ended: bool) -> None:
    sandbox = Sandbox.create("sh", "-c", "echo out" if ended else "echo out; sleep 1")
    settled()
    fault = either.faults.on("SandboxGetLogs").status("UNAVAILABLE")
    other = either.faults.on("SandboxWait").status("UNAVAILABLE")

    assert sandbox.stdout.read() == "out\n"
    sandbox.wait()
    assert (fault.fired, other.fired) == (1, 1)


@pytest.mark.parametrize("way", ["status", "drop_response"])
def test_a_fault_hits_the_creation(either: FakeSandboxes, way: str) -> None:
    planned = either.faults.on("SandboxCreate")
    fault = planned.status("UNAVAILABLE") if way == "status" else planned.drop_response()

    sandbox = Sandbox.create("echo", "out")

    assert (sandbox.stdout.read(), fault.fired) == ("out\n", 1)
    assert served(either).id == sandbox.object_id


def test_a_fault_does_not_hit_a_read_that_is_under_way(either: FakeSandboxes) -> None:
    either.clock.autojump = False
    sandbox = Sandbox.create("sh", "-c", "echo out; cat")
    assert next(sandbox.stdout) == "out\n"
    if not following(sandbox).over:
        tell(sandbox)
    fault = either.faults.on("SandboxGetLogs").status("PERMISSION_DENIED").optional()

    sandbox.stdin.write("more\n")
    sandbox.stdin.write_eof()
    sandbox.stdin.drain()

    assert next(sandbox.stdout) == "more\n"
    assert fault.fired == 0
