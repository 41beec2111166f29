"""Commands go through the command router."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from grpclib import Status

from pytest_sandbox._proto import router_pb2 as rpb
from pytest_sandbox._proto import sandboxes_pb2 as spb
from pytest_sandbox._proto import secrets_pb2
from pytest_sandbox._proto.extensions_grpc import ExtensionsBase
from pytest_sandbox._proto.extensions_pb2 import ExecFollowResponse
from pytest_sandbox.client import DEVNULL, PIPE, STDOUT, Sandbox, Secret, StreamType, exceptions
from pytest_sandbox.client.process import execution

from .command_stubs import (
    DONE,
    STARTED,
    WRITTEN,
    Serve,
    access_control,
    broken_after,
    creating,
    creation,
    reads,
)
from .stubs import Service, fails, gives, in_turn, router

pytestmark = pytest.mark.usefixtures("impatient")


# Streams


def test_output_continues_at_the_byte_where_it_broke_off(serve: Serve) -> None:
    commands = router(
        TaskExecStart=STARTED,
        TaskExecStdioRead=in_turn(broken_after(b"one", b"two"), broken_after(), reads(b"three")),
    )
    process = Sandbox("sb-1", serve(access_control(), commands)).exec("true", text=False)

    assert process.stdout.read() == b"onetwothree"
    assert [asked.request.offset for asked in commands.of("TaskExecStdioRead")] == [0, 6, 6]


def test_output_that_keeps_breaking_off_is_an_error(serve: Serve) -> None:
    commands = router(TaskExecStart=STARTED, TaskExecStdioRead=broken_after())
    process = Sandbox("sb-1", serve(access_control(), commands)).exec("true")

    with pytest.raises(exceptions.ServiceError, match="the connection broke"):
        process.stdout.read()

    assert len(commands.of("TaskExecStdioRead")) == 11


def test_input_is_sent_at_offsets_and_again_if_it_failed(serve: Serve) -> None:
    commands = router(
        TaskExecStart=STARTED,
        TaskExecStdinWrite=in_turn(WRITTEN, fails(Status.UNAVAILABLE), WRITTEN, WRITTEN),
    )
    stdin = Sandbox("sb-1", serve(access_control(), commands)).exec("cat").stdin
    for word in ("one", "two"):
        stdin.write(word)
        stdin.drain()
    stdin.write_eof()
    stdin.drain()

    sent = [asked.request for asked in commands.of("TaskExecStdinWrite")]
    assert [(each.offset, each.data, each.eof) for each in sent] == [
        (0, b"one", False),
        (3, b"two", False),
        (3, b"two", False),
        (6, b"", True),
    ]


def test_input_that_could_not_be_sent_is_kept(serve: Serve) -> None:
    commands = router(
        TaskExecStart=STARTED,
        TaskExecStdinWrite=in_turn(fails(Status.RESOURCE_EXHAUSTED), WRITTEN),
    )
    stdin = Sandbox("sb-1", serve(access_control(), commands)).exec("cat").stdin
    stdin.write("word")
    with pytest.raises(exceptions.ResourceExhaustedError):
        stdin.drain()

    stdin.drain()

    sent = [asked.request for asked in commands.of("TaskExecStdinWrite")]
    assert [(each.offset, each.data) for each in sent] == [(0, b"word"), (0, b"word")]


# Calls about a command that a server does not follow


def test_calls_wait_until_the_command_has_started(serve: Serve) -> None:
    async def start_late(request: object, stream: Any) -> None:
        for _ in range(20):  # turns in which other calls could come
            await asyncio.sleep(0)
        before.extend(each.rpc for each in commands.asked)
        await STARTED(request, stream)

    before: list[str] = []
    commands = router(
        TaskExecStart=start_late,
        TaskExecWait=DONE,
        TaskExecStdioRead=reads(b"out"),
        TaskExecStdinWrite=WRITTEN,
    )
    sandbox = Sandbox("sb-1", serve(access_control(), commands))

    result = sandbox.run("true")

    assert before == ["TaskExecStart"]
    assert (result.returncode, result.stdout, result.stderr) == (0, "out", "out")


def test_calls_that_a_server_of_ours_gets_before_the_command_are_repeated(serve: Serve) -> None:
    async def start_late(request: object, stream: Any) -> None:
        await others.wait()
        await STARTED(request, stream)

    async def unknown(request: object, stream: Any) -> None:
        if len(commands.asked) == 5:
            others.set()
        await fails(Status.NOT_FOUND, "no such exec")(request, stream)

    others = asyncio.Event()
    commands = router(
        TaskExecStart=start_late,
        TaskExecWait=in_turn(unknown, DONE),
        TaskExecStdioRead=in_turn(unknown, unknown, reads(b"out")),
        TaskExecStdinWrite=in_turn(unknown, WRITTEN),
    )
    # One that would follow commands, but not this one, whose calls are made by themselves.
    ours = Service(ExtensionsBase, {"ExecFollow": gives(ExecFollowResponse(apart=True))})
    sandbox = Sandbox("sb-1", serve(access_control(), commands, ours))

    result = sandbox.run("true")

    assert (result.returncode, result.stdout, result.stderr) == (0, "out", "out")


def test_a_command_that_does_not_start_is_told_as_such(serve: Serve) -> None:
    unknown = fails(Status.NOT_FOUND, "no such exec")
    commands = router(
        TaskExecStart=fails(Status.INVALID_ARGUMENT, "no such program"),
        TaskExecWait=unknown,
        TaskExecStdioRead=unknown,
        TaskExecStdinWrite=unknown,
    )
    sandbox = Sandbox("sb-1", serve(access_control(), commands))

    with pytest.raises(exceptions.InvalidError, match="no such program"):
        sandbox.run("nothing")


def test_a_command_that_nobody_knows_any_more_is_an_error(serve: Serve) -> None:
    commands = router(TaskExecStart=STARTED, TaskExecWait=fails(Status.NOT_FOUND, "forgotten"))
    process = Sandbox("sb-1", serve(access_control(), commands)).exec("true")

    with pytest.raises(exceptions.NotFoundError, match="forgotten"):
        process.wait()

    assert len(commands.of("TaskExecWait")) == 1


# Exit codes


@pytest.mark.parametrize(
    ("told", "code"),
    [({"code": 0}, 0), ({"code": 7}, 7), ({"signal": 9}, 137), ({"signal": 15}, 143)],
)
def test_signals_are_told_as_shells_do(serve: Serve, told: dict[str, int], code: int) -> None:
    commands = router(
        TaskExecStart=STARTED,
        TaskExecWait=gives(rpb.TaskExecWaitResponse(**told)),
        TaskExecPoll=gives(rpb.TaskExecPollResponse(**told)),
    )
    sandbox = Sandbox("sb-1", serve(access_control(), commands))

    assert sandbox.exec("true").wait() == code
    assert sandbox.exec("true").poll() == code


def test_a_command_that_runs_has_no_code(serve: Serve) -> None:
    commands = router(TaskExecStart=STARTED, TaskExecPoll=gives(rpb.TaskExecPollResponse()))
    process = Sandbox("sb-1", serve(access_control(), commands)).exec("true")

    assert process.poll() is None
    with pytest.raises(exceptions.InvalidError, match="wait"):
        process.returncode  # noqa: B018


def test_a_code_is_asked_for_once(serve: Serve) -> None:
    commands = router(TaskExecStart=STARTED, TaskExecWait=DONE)
    process = Sandbox("sb-1", serve(access_control(), commands)).exec("true")

    assert (process.wait(), process.wait(), process.poll(), process.returncode) == (0, 0, 0, 0)
    assert len(commands.of("TaskExecWait")) == 1


def test_a_kill_before_the_time_is_up_is_a_kill(serve: Serve) -> None:
    commands = router(TaskExecStart=STARTED, TaskExecWait=gives(rpb.TaskExecWaitResponse(signal=9)))

    assert Sandbox("sb-1", serve(access_control(), commands)).exec("true", timeout=60).wait() == 137


def test_a_server_that_does_not_end_a_command_is_not_waited_for(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_: object, __: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(execution, "GRACE", -0.999)
    commands = router(TaskExecStart=STARTED, TaskExecWait=never, TaskExecPoll=never)
    sandbox = Sandbox("sb-1", serve(access_control(), commands))

    assert sandbox.exec("true", timeout=1).wait() == -1
    assert sandbox.exec("true", timeout=1).wait() == -1


# What is sent


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (PIPE, rpb.TASK_EXEC_STDOUT_CONFIG_PIPE),
        (DEVNULL, rpb.TASK_EXEC_STDOUT_CONFIG_DEVNULL),
        (STDOUT, rpb.TASK_EXEC_STDOUT_CONFIG_PIPE),
    ],
)
def test_where_standard_output_goes(serve: Serve, given: StreamType, sent: int) -> None:
    commands = router(TaskExecStart=STARTED, TaskExecStdioRead=reads())

    Sandbox("sb-1", serve(access_control(), commands)).exec("true", stdout=given)

    assert commands.asked[0].request.stdout_config == sent


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (PIPE, rpb.TASK_EXEC_STDERR_CONFIG_PIPE),
        (DEVNULL, rpb.TASK_EXEC_STDERR_CONFIG_DEVNULL),
        (STDOUT, rpb.TASK_EXEC_STDERR_CONFIG_STDOUT),
    ],
)
def test_where_standard_error_goes(serve: Serve, given: StreamType, sent: int) -> None:
    commands = router(TaskExecStart=STARTED, TaskExecStdioRead=reads())

    Sandbox("sb-1", serve(access_control(), commands)).exec("true", stderr=given)

    assert commands.asked[0].request.stderr_config == sent


def test_everything_about_a_command_is_sent(serve: Serve) -> None:
    plane = access_control(
        SecretGetOrCreate=gives(secrets_pb2.SecretGetOrCreateResponse(secret_id="st-1"))
    )
    commands = router(TaskExecStart=STARTED)

    Sandbox("sb-1", serve(plane, commands)).exec(
        "one",
        "two",
        timeout=5,
        workdir="/there",
        env={"A": "1", "B": None},
        secrets=[Secret.from_name("kept"), Secret.from_dict({"C": "3"})],
        pty=True,
    )

    request = commands.asked[0].request
    assert list(request.command_args) == ["one", "two"]
    assert (request.timeout_secs, request.workdir) == (5, "/there")
    sources = request.secret_sources
    assert sources[0].secret_id == "st-1"
    assert [dict(each.env.contents) for each in sources[1:]] == [{"C": "3"}, {"A": "1"}]
    assert request.pty_info.enabled


def test_what_is_not_given_is_not_sent(serve: Serve) -> None:
    commands = router(TaskExecStart=STARTED)

    Sandbox("sb-1", serve(access_control(), commands)).exec("one")

    request = commands.asked[0].request
    assert not request.HasField("timeout_secs")
    assert not request.HasField("workdir")
    assert not request.HasField("pty_info")


# Giving up


def test_a_sandbox_whose_creation_is_given_up_is_ended(serve: Serve) -> None:
    asked, ended = threading.Event(), threading.Event()

    async def create(request: object, stream: Any) -> None:
        asked.set()
        await asyncio.to_thread(given_up.wait)
        await creation({})(request, stream)

    async def terminate(_: object, stream: Any) -> None:
        await stream.send_message(spb.SandboxTerminateResponse())
        ended.set()

    given_up = threading.Event()
    plane = creating({}, SandboxTerminate=terminate)
    plane.answers["SandboxCreate"] = create
    client = serve(plane)

    async def main() -> None:
        task = asyncio.ensure_future(Sandbox.create.aio(client=client))
        await asyncio.to_thread(asked.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with client.record() as ids:
        asyncio.run(main())
        given_up.set()
        assert ended.wait(10)

    assert ids == ["sb-1"]
    assert plane.of("SandboxTerminate")[0].request.sandbox_id == "sb-1"


def test_ids_that_are_asked_for_once_are_asked_for_once(serve: Serve) -> None:
    plane = creating({})
    client = serve(plane)

    async def main() -> None:
        await asyncio.gather(*(Sandbox.create.aio(client=client) for _ in range(10)))

    asyncio.run(main())

    assert len(plane.of("SandboxCreate")) == 10
    assert len(plane.of("AppGetOrCreate")) == len(plane.of("ImageGetOrCreate")) == 1
