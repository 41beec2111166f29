"""What main processes have written, as a log with times."""

import asyncio
from collections.abc import Mapping
from itertools import count
from typing import Any
from unittest.mock import Mock

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpclib import Status

from pytest_sandbox._proto import apps_pb2 as pb
from pytest_sandbox._proto import common_pb2, sandboxes_pb2
from pytest_sandbox.engine import OutputLog
from pytest_sandbox.fakes import Call, settle
from pytest_sandbox.server.commands import log_entries
from pytest_sandbox.server.commands.output_times import MOMENTS, OutputTimes
from pytest_sandbox.server.v2 import app_logs

from .harness import STDERR, STDOUT, Created, Harness, refused

INFO = common_pb2.FILE_DESCRIPTOR_INFO


async def say(call: Call) -> None:
    """Write each argument as it is, a second after the one before; those with ! to stderr."""
    for word in call.argv[1:]:
        (call.err if word.startswith("!") else call.out)(word)
        await call.flush()
        await call.sleep(1)


@pytest.fixture
def server(server: Harness) -> Harness:
    server.engine.on_exec("say", ...).calls(say)
    return server


async def fetched(server: Harness, **fields: Any) -> list[str]:
    batches = (await server.control.AppFetchLogs(await fetch(server, **fields))).batches
    return [item.data for batch in batches for item in batch.items]


async def fetch(server: Harness, **fields: Any) -> pb.AppFetchLogsRequest:
    return pb.AppFetchLogsRequest(app_id=await server.app_id(), **fields)


def at(server: Harness, seconds: float) -> Timestamp:
    """A time, counted from the beginning of the clock."""
    nanos = int((server.clock.now() - server.clock.monotonic() + seconds) * 1e9)
    return Timestamp(seconds=nanos // 10**9, nanos=nanos % 10**9)


async def ended(server: Harness, *argv: str) -> Created:
    sandbox = await server.create(*argv)
    await settle()
    for _ in argv[1:]:
        await server.clock.advance(1)
    assert await server.wait(sandbox)
    return sandbox


@pytest.mark.asyncio
async def test_lines_of_both_streams_are_in_the_order_in_which_they_came(server: Harness) -> None:
    sandbox = await ended(server, "say", "one\ntwo\n", "!three\n", "four")

    response = await server.control.AppFetchLogs(await fetch(server, task_id=sandbox.task_id))

    (batch,) = response.batches
    assert (batch.task_id, batch.sandbox_id) == (sandbox.task_id, sandbox.id)
    assert [(item.data, item.file_descriptor) for item in batch.items] == [
        ("one\n", STDOUT),
        ("two\n", STDOUT),
        ("!three\n", STDERR),
        ("four", STDOUT),
    ]
    times = [item.timestamp - batch.items[0].timestamp for item in batch.items]
    assert times == pytest.approx([0, 0, 1, 2], abs=0.01)
    assert batch.items[2].timestamp_ns == pytest.approx(batch.items[2].timestamp * 1e9, rel=1e-12)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"source": STDERR}, ["!b"]),
        ({"source": INFO}, []),
        ({"search_text": "c"}, ["c1", "c2"]),
        ({"limit": 2}, ["c1", "c2"]),
        ({"function_id": "fu-1"}, []),
    ],
    ids=str,
)
async def test_a_log_is_narrowed(
    server: Harness, fields: Mapping[str, Any], found: list[str]
) -> None:
    await ended(server, "say", "a", "!b", "\n", "c1\n", "c2\n")

    assert [text.rstrip("\n") for text in await fetched(server, **fields)] == found


@pytest.mark.asyncio
async def test_a_log_is_narrowed_by_time(server: Harness) -> None:
    start = server.clock.monotonic()
    await ended(server, "say", "a\n", "b\n", "c\n")

    between = {"since": at(server, start + 0.5), "until": at(server, start + 1.5)}
    assert await fetched(server, **between) == ["b\n"]
    assert await fetched(server, since=at(server, start + 1.5)) == ["c\n"]


@pytest.mark.asyncio
async def test_sandboxes_of_an_app_share_its_log(server: Harness) -> None:
    first, second = await server.create("say", "a\n", "c\n"), await server.create("say", "b\n")
    await server.clock.advance(1)
    await server.clock.advance(1)

    assert sorted(await fetched(server)) == ["a\n", "b\n", "c\n"]
    assert await fetched(server, sandbox_id=first.id) == ["a\n", "c\n"]
    assert await fetched(server, task_id=second.task_id) == ["b\n"]
    request = pb.AppCreateRequest(description="another")
    other = (await server.control.AppCreate(request)).app_id
    with refused(Status.NOT_FOUND, first.id, other):
        await server.control.AppFetchLogs(pb.AppFetchLogsRequest(app_id=other, sandbox_id=first.id))


@pytest.mark.asyncio
async def test_entries_are_counted_by_spans(server: Harness) -> None:
    await ended(server, "say", "a\nb\n", "!c\n")
    request = pb.AppCountLogsRequest(app_id=await server.app_id(), bucket_secs=100_000_000)

    (bucket,) = (await server.control.AppCountLogs(request)).buckets

    assert (bucket.stdout_logs, bucket.stderr_logs, bucket.system_logs) == (2, 1, 0)
    assert bucket.bucket_start_at.seconds % 100_000_000 == 0
    request.bucket_secs = 0
    with refused(Status.INVALID_ARGUMENT, "bucket_secs"):
        await server.control.AppCountLogs(request)


@pytest.mark.asyncio
async def test_a_sandbox_without_a_main_process_has_no_log(server: Harness) -> None:
    sandbox = await server.create()

    assert await fetched(server, task_id=sandbox.task_id) == []


@pytest.mark.asyncio
async def test_long_lines_and_long_logs_come_in_parts(
    server: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_entries, "LONGEST", 4)
    monkeypatch.setattr(app_logs, "MOST_TEXT", 11)
    await ended(server, "say", "123456\n", "789012345678\n")

    assert await fetched(server) == ["1234", "5678", "\n"]


@pytest.mark.asyncio
async def test_reading_a_log_makes_no_room_in_it() -> None:
    log = OutputLog(4)
    await log.append(b"abcd")

    assert log.peek(1, 2) == b"bc"
    assert log.peek(4) == b""
    assert log.full


@pytest.mark.asyncio
async def test_only_so_many_moments_are_remembered() -> None:
    log, seconds = OutputLog(), count()
    times = OutputTimes(log, Mock(now=lambda: next(seconds)))
    for _ in range(MOMENTS + 5):
        await log.append(b"x")

    assert [times.at(offset) for offset in (0, 5, 6, MOMENTS + 4)] == [5, 5, 6, MOMENTS + 4]


# Followed as they grow


async def followed(
    server: Harness, app_id: str, timeout: float = 0, entry: str = "", **fields: Any
) -> tuple[str, str, bool]:
    """What is told, the place where it ended, and whether the app is done."""
    request = pb.AppGetLogsRequest(app_id=app_id, timeout=timeout, last_entry_id=entry, **fields)
    text, done = "", False
    for batch in await server.control.AppGetLogs(request):
        entry, done = batch.entry_id or entry, batch.app_done
        text += "".join(item.data for item in batch.items)
    return text, entry, done


@pytest.mark.asyncio
async def test_logs_are_followed_from_a_place(server: Harness) -> None:
    app_id = await server.app_id()
    await server.create("say", "one\n", "!two", "caf\u00e9")
    await settle()
    text, entry, done = await followed(server, app_id)
    assert (text, done) == ("one\n", False)
    following = asyncio.ensure_future(followed(server, app_id, 10, entry))
    await settle()
    await server.clock.advance(1)
    await server.clock.advance(1)
    await server.clock.advance(10)
    assert (await following)[0] == "!twocaf\u00e9"
    assert (await followed(server, app_id, file_descriptor=STDERR))[0] == "!two"
    assert (await followed(server, app_id, entry="le-forgotten"))[0] == "one\ncaf\u00e9!two"


@pytest.mark.asyncio
async def test_following_ends_with_the_app(server: Harness) -> None:
    state = pb.APP_STATE_EPHEMERAL
    app_id = (await server.control.AppCreate(pb.AppCreateRequest(app_state=state))).app_id
    request = sandboxes_pb2.SandboxCreateRequest(
        app_id=app_id, definition=await server.definition("say", "one", "two")
    )
    await server.control.SandboxCreate(request)
    following = asyncio.ensure_future(followed(server, app_id, 55))
    await settle()
    await server.control.AppClientDisconnect(pb.AppClientDisconnectRequest(app_id=app_id))
    assert (await following)[::2] == ("one", True)
    assert (await followed(server, app_id, 55))[2]


@pytest.mark.asyncio
async def test_only_logs_of_the_app_are_followed(server: Harness) -> None:
    sandbox = await server.create("say", "one")
    other = (await server.control.AppCreate(pb.AppCreateRequest(description="another"))).app_id
    assert (await followed(server, other))[0] == ""
    with refused(Status.NOT_FOUND, sandbox.id):
        await followed(server, other, sandbox_id=sandbox.id)
    with refused(Status.NOT_FOUND, "ap-none"):
        await followed(server, "ap-none")
