"""Logs: what main processes print."""

import asyncio
from typing import Any

import pytest
from grpclib import Status

from pytest_sandbox._proto import common_pb2, sandboxes_pb2

from .engines import GatedEngine
from .harness import STDERR, STDOUT, Created, Harness, refused, serve


async def batches(
    server: Harness, sandbox: Created, entry: str = "", timeout: float = 55
) -> list[common_pb2.TaskLogsBatch]:
    request = sandboxes_pb2.SandboxGetLogsRequest(
        sandbox_id=sandbox.id, file_descriptor=STDOUT, timeout=timeout, last_entry_id=entry
    )
    return await server.control.SandboxGetLogs(request)


@pytest.mark.asyncio
@pytest.mark.parametrize("entry", ["", "0-0"])
async def test_logs_are_read_from_the_beginning_by_every_kind_of_client(
    server: Harness, entry: str
) -> None:
    sandbox = await server.create("echo", "hi")
    got = await batches(server, sandbox, entry)
    assert [item.data for batch in got for item in batch.items] == ["hi\n"]
    assert [batch.eof for batch in got] == [False, True]


@pytest.mark.asyncio
async def test_logs_go_on_after_any_entry_and_stay_readable_after_the_end(
    server: Harness,
) -> None:
    sandbox = await server.create("cat")
    process = server.engine.tasks[-1].processes[0]
    await process.stdout.append("one ä".encode())
    first = await batches(server, sandbox, timeout=0)
    assert [batch.eof for batch in first] == [False]
    await process.stdout.append(b" two")
    await server.terminate(sandbox)
    assert await server.logs(sandbox, entry=first[-1].entry_id) == " two"
    assert await server.logs(sandbox) == "one ä two"


@pytest.mark.asyncio
async def test_a_character_is_never_split(server: Harness) -> None:
    sandbox = await server.create("cat")
    process = server.engine.tasks[-1].processes[0]
    smile = "☺".encode()
    await process.stdout.append(b"a" + smile[:1])
    (batch,) = await batches(server, sandbox, timeout=0)
    assert [item.data for item in batch.items] == ["a"]
    await process.stdout.append(smile[1:2])
    assert await batches(server, sandbox, batch.entry_id, timeout=0) == []
    await process.stdout.append(smile[2:])
    (rest,) = await batches(server, sandbox, batch.entry_id, timeout=0)
    assert [item.data for item in rest.items] == ["☺"]


@pytest.mark.asyncio
async def test_bytes_that_are_no_text_are_replaced() -> None:
    engine = GatedEngine()
    engine.on_exec("say").reply(stdout=b"a\xffb\xe2\x98")
    async with serve(engine) as server:
        sandbox = await server.create("say")
        assert await server.logs(sandbox) == "a�b�"


@pytest.mark.asyncio
async def test_logs_without_an_end_stop_after_the_timeout(server: Harness) -> None:
    sandbox = await server.create("hang")
    reading = asyncio.ensure_future(batches(server, sandbox, timeout=55))
    await server.clock.advance(54)
    assert not reading.done()
    await server.clock.advance(1)
    assert await reading == []


@pytest.mark.asyncio
async def test_logs_of_a_sandbox_without_a_main_process_end_with_it(server: Harness) -> None:
    sandbox = await server.create()
    assert await batches(server, sandbox, timeout=0) == []
    await server.terminate(sandbox)
    (batch,) = await batches(server, sandbox)
    assert batch.eof


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"file_descriptor": "FILE_DESCRIPTOR_INFO"}, "3"),
        ({}, "0"),
        ({"file_descriptor": 1, "last_entry_id": "x-y"}, "x-y"),
    ],
)
async def test_logs_that_cannot_be_had_are_refused(
    server: Harness, fields: dict[str, Any], word: str
) -> None:
    sandbox = await server.create("hang")
    request = sandboxes_pb2.SandboxGetLogsRequest(sandbox_id=sandbox.id, **fields)
    with refused(Status.INVALID_ARGUMENT, word):
        await server.control.SandboxGetLogs(request)


@pytest.mark.asyncio
async def test_standard_error_is_a_log_of_its_own(server: Harness) -> None:
    sandbox = await server.create("fail", "1")
    assert await server.logs(sandbox) == ""
    assert await server.logs(sandbox, STDERR) == "no\n"
