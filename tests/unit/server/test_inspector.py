"""What the inspector tells of an engine and of a sandbox."""

import json
import re
from typing import Any

import pytest
from grpclib import Status

from pytest_sandbox._proto import images_pb2
from pytest_sandbox._proto import inspector_pb2 as pb
from pytest_sandbox._shared.filesystem_tool import TOOL
from pytest_sandbox.engine import Capability, OutputLog
from pytest_sandbox.fakes import settle
from pytest_sandbox.server.own import inspector
from pytest_sandbox.server.registries.aliases import Aliases

from .building import join
from .harness import Created, Harness, refused


async def describe(server: Harness, sandbox: Created, **fields: Any) -> Any:
    request = pb.InspectorDescribeRequest(sandbox_id=sandbox.id, **fields)
    return await server.inspector.Describe(request)


@pytest.mark.asyncio
async def test_an_engine_is_described(server: Harness) -> None:
    running, finished = await server.create(), await server.create()
    await server.terminate(finished)
    response = await server.inspector.Engine(pb.InspectorEngineRequest())
    assert (response.name, response.mode) == ("fake", "in memory")
    assert list(response.capabilities) == sorted(each.value for each in Capability)
    assert dict(response.details) == {"tests": "of the server"}
    assert response.version
    assert response.live_sandboxes == 1
    assert running.id


@pytest.mark.asyncio
async def test_commands_are_told_in_the_order_of_their_start_with_the_end_of_their_output(
    server: Harness,
) -> None:
    sandbox = await server.create("cat", name="n")
    await server.clock.advance(2)
    await server.exec(sandbox, "fail", "3")
    await server.exec(sandbox, TOOL, json.dumps({"Stat": {"path": "/tmp"}}))
    hanging = await server.exec(sandbox, "hang", timeout_secs=5)
    await server.exec(sandbox, "echo", "abcdef")
    await settle()

    told = await describe(server, sandbox, tail_bytes=4)
    assert (told.name, told.image, told.running, told.end) == ("n", "debian:12 = host", True, "")
    assert [list(command.argv) for command in told.commands] == [
        ["cat"],
        ["fail", "3"],
        ["hang"],
        ["echo", "abcdef"],
    ]
    main, failed, hung, echoed = told.commands
    assert main.running
    assert (failed.returncode, failed.running, failed.stderr_tail) == (3, False, b"no\n")
    assert failed.started_after == 2
    assert hung.running
    assert (echoed.stdout_tail, echoed.stdout_bytes) == (b"def\n", 7)

    await server.clock.advance(6)
    hung = (await describe(server, sandbox)).commands[2]
    assert (hung.returncode, hung.ended_by, hung.seconds) == (137, "timeout", 5)
    assert hanging


@pytest.mark.asyncio
async def test_the_end_of_much_output_is_still_a_report(server: Harness) -> None:
    sandbox = await server.create()
    exec_id = await server.exec(sandbox, "flood", str(1024 * 1024))
    await server.code(sandbox, exec_id)
    (command,) = (await describe(server, sandbox, tail_bytes=2**32 - 1)).commands
    assert (len(command.stdout_tail), command.stdout_bytes) == (64 * 1024, 1024 * 1024)


@pytest.mark.asyncio
async def test_an_image_is_told_with_what_it_begins_with(server: Harness) -> None:
    server.app.state.registry_images.aliases = Aliases({"node:*": "alpine:3.21"})
    for lines, expected in (
        (["FROM host"], "host"),
        (["FROM python:3.13-slim"], "python:3.13-slim = host"),
        (["FROM python:3.12-slim"], "python:3.12-slim = host"),
        (["FROM alpine:3.21"], "alpine:3.21"),
        (["FROM node:22"], "node:22 = alpine:3.21"),
        (["FROM debian AS a", "RUN echo", "FROM a", "RUN echo 2"], "im-* on debian = host"),
    ):
        definition = images_pb2.Image(dockerfile_commands=lines)
        request = images_pb2.ImageGetOrCreateRequest(image=definition)
        response = await server.control.ImageGetOrCreate(request)
        if not response.result.status:
            await join(server, response.image_id)
        sandbox = await server.create(image_id=response.image_id)
        told = (await describe(server, sandbox)).image
        assert re.sub("im-[^ ]+", "im-*", told) == expected


@pytest.mark.asyncio
async def test_of_much_output_together_the_newest_is_described(
    server: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspector, "MAX_TAILS", 1000)
    sandbox = await server.create()
    for _ in range(4):
        await server.code(sandbox, await server.exec(sandbox, "flood", "300"))
    await settle()

    commands = (await describe(server, sandbox, tail_bytes=300)).commands
    assert [len(command.stdout_tail) for command in commands] == [100, 200, 300, 300]


@pytest.mark.asyncio
async def test_a_command_that_waits_for_its_reader_is_paused(server: Harness) -> None:
    sandbox = await server.create()
    await server.exec(sandbox, "hang")
    process = sandbox.task.processes[-1]
    process.stdout = OutputLog(4)
    await process.stdout.append(b"abcd")
    (command,) = (await describe(server, sandbox)).commands
    assert command.paused


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("argv", "advance", "end"),
    [
        (["fail", "3"], 0, "exited with code 3"),
        (["hang"], 300, "timeout of 300 s reached"),
        (["hang"], 10, "idle_timeout of 10 s reached"),
    ],
)
async def test_an_end_is_told_in_words(
    server: Harness, argv: list[str], advance: int, end: str
) -> None:
    idle: dict[str, Any] = {"idle_timeout_secs": 10} if advance == 10 else {}
    sandbox = await server.create(*argv, **idle)
    await server.clock.advance(advance)
    told = await describe(server, sandbox)
    assert (told.running, told.end, told.seconds) == (False, end, advance)


@pytest.mark.asyncio
async def test_commands_that_the_end_of_the_sandbox_ended_say_so(server: Harness) -> None:
    sandbox = await server.create("hang")
    await server.exec(sandbox, "hang")
    await server.terminate(sandbox)
    await settle()
    told = await describe(server, sandbox)
    assert told.end == "terminated"
    assert [command.ended_by for command in told.commands] == ["terminated", "terminated"]


@pytest.mark.asyncio
async def test_an_unknown_sandbox_is_not_found(server: Harness) -> None:
    with refused(Status.NOT_FOUND, "sb-nope"):
        await server.inspector.Describe(pb.InspectorDescribeRequest(sandbox_id="sb-nope"))


@pytest.mark.asyncio
async def test_a_sandbox_is_ended_and_what_ran_in_it_is_told_once(server: Harness) -> None:
    sandbox = await server.create("hang")
    await server.exec(sandbox, TOOL, "{}")
    await server.code(sandbox, await server.exec(sandbox, "echo", "1"))
    with refused(Status.INVALID_ARGUMENT):
        await server.exec(sandbox, "no-such-command")
    await server.exec(sandbox, "hang", "2")

    request = pb.InspectorEndRequest(sandbox_id=sandbox.id)
    key = {"x-idempotency-key": "one"}
    told = await server.inspector.End(request, metadata=key)
    assert told.running
    assert [(list(each.argv), each.running, each.main) for each in told.commands] == [
        (["hang"], True, True),
        (["echo", "1"], False, False),
        (["no-such-command"], False, False),
        (["hang", "2"], True, False),
    ]
    assert (await describe(server, sandbox)).end == "terminated"
    assert await server.inspector.End(request, metadata=key) == told
    again = await server.inspector.End(request)
    assert not again.running
    assert not any(each.running for each in again.commands)
    with refused(Status.NOT_FOUND, "sb-nope"):
        await server.inspector.End(pb.InspectorEndRequest(sandbox_id="sb-nope"))


@pytest.mark.asyncio
async def test_a_sandbox_that_made_room_for_others_has_ended(
    server: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What other tests of the run do is no reason for one to fail."""
    monkeypatch.setattr(server.app.state.sandboxes._finished, "_max_items", 1)
    first, second = await server.create("hang"), await server.create("hang")
    for each in (first, second):
        await server.terminate(each)
    await settle()
    with refused(Status.NOT_FOUND, first.id):
        await describe(server, first)

    request = pb.InspectorEndRequest(sandbox_id=first.id)
    assert await server.inspector.End(request) == pb.InspectorEndResponse()
