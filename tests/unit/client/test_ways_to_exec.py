"""Commands go through the command router, or through the control plane if there is no router."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.empty_pb2 import Empty
from grpclib import GRPCError, Status

from pytest_sandbox._proto import apps_pb2, common_pb2, images_pb2, secrets_pb2
from pytest_sandbox._proto import containers_pb2 as cpb
from pytest_sandbox._proto import router_pb2 as rpb
from pytest_sandbox._proto import sandboxes_pb2 as spb
from pytest_sandbox.client import (
    DEVNULL,
    PIPE,
    STDOUT,
    Client,
    Sandbox,
    Secret,
    StreamType,
    exceptions,
)
from pytest_sandbox.client.process import execution, task_calls
from pytest_sandbox.client.transport import retries

from .stubs import (
    Answer,
    Service,
    access,
    control,
    fails,
    gives,
    in_turn,
    router,
    task_of,
    token,
)

Serve = Callable[..., Client]

STARTED = gives(rpb.TaskExecStartResponse())
DONE = gives(rpb.TaskExecWaitResponse(code=0))
WRITTEN = gives(rpb.TaskExecStdinWriteResponse())


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries.Backoff, "delay", lambda *_: 0.0)
    monkeypatch.setattr(task_calls, "_POLL", 0.0)


def access_control(*tokens: str, **answers: Answer) -> Service:
    """A control plane that knows the task of every sandbox, and gives these tokens in turn."""
    tokens = tokens or (token(),)
    return control(
        SandboxGetTaskId=task_of(),
        TaskGetCommandRouterAccess=in_turn(*map(access, tokens)),
        **answers,
    )


def reads(*chunks: bytes) -> Answer:
    return gives(*(rpb.TaskExecStdioReadResponse(data=chunk) for chunk in chunks))


def broken_after(*chunks: bytes) -> Answer:
    async def answer(request: object, stream: Any) -> None:
        await reads(*chunks)(request, stream)
        raise GRPCError(Status.UNAVAILABLE, "the connection broke")

    return answer


def creation(metadata: dict[str, str]) -> Answer:
    async def answer(_: object, stream: Any) -> None:
        await stream.send_initial_metadata(metadata=metadata)
        await stream.send_message(spb.SandboxCreateResponse(sandbox_id="sb-1"))

    return answer


def creating(metadata: dict[str, str], **answers: Answer) -> Service:
    return access_control(
        SandboxCreate=creation(metadata),
        AppGetOrCreate=gives(apps_pb2.AppGetOrCreateResponse(app_id="ap-1")),
        ImageGetOrCreate=gives(images_pb2.ImageGetOrCreateResponse(image_id="im-1")),
        **answers,
    )


def rpcs(*services: Service) -> list[str]:
    return [asked.rpc for service in services for asked in service.asked]


# What has to be asked


def test_creation_tells_all_that_the_first_command_needs(serve: Serve) -> None:
    told = {"x-sandbox-task-id": "ta-7", "x-sandbox-router-jwt": token(name="told")}
    plane, commands = creating(told), router(TaskExecStart=STARTED, TaskExecWait=DONE)
    client = serve(plane, commands)

    first = Sandbox.create(client=client)
    Sandbox.create(client=client)
    first.exec("true").wait()

    known_once = ["AppGetOrCreate", "ImageGetOrCreate"]
    assert rpcs(plane) == [*known_once, "SandboxCreate", "SandboxCreate"]
    assert rpcs(commands) == ["TaskExecStart", "TaskExecWait"]
    assert commands.asked[0].request.task_id == "ta-7"
    assert commands.asked[0].metadata["authorization"] == f"Bearer {told['x-sandbox-router-jwt']}"


def test_what_creation_did_not_tell_is_asked_once(serve: Serve) -> None:
    plane, commands = creating({}), router(TaskExecStart=STARTED)
    sandbox = Sandbox.create(client=serve(plane, commands))

    sandbox.exec("true")
    sandbox.exec("true")

    assert rpcs(plane)[3:] == ["SandboxGetTaskId", "TaskGetCommandRouterAccess"]


def test_a_task_is_asked_for_until_there_is_one(serve: Serve) -> None:
    nothing = gives(spb.SandboxGetTaskIdResponse())
    plane = control(
        SandboxGetTaskId=in_turn(nothing, nothing, task_of("ta-3")),
        TaskGetCommandRouterAccess=access(token()),
    )
    commands = router(TaskExecStart=STARTED)

    Sandbox("sb-1", serve(plane, commands)).exec("true")

    assert commands.asked[0].request.task_id == "ta-3"


def test_a_sandbox_that_ended_without_a_task_is_an_error(serve: Serve) -> None:
    result = common_pb2.GenericResult(
        status=common_pb2.GenericResult.GENERIC_STATUS_INIT_FAILURE, exception="no such luck"
    )
    plane = control(SandboxGetTaskId=gives(spb.SandboxGetTaskIdResponse(task_result=result)))

    with pytest.raises(exceptions.ConflictError, match="no such luck"):
        Sandbox("sb-1", serve(plane)).exec("true")


# Tokens


def test_a_token_about_to_end_is_renewed_before_it_is_used(serve: Serve) -> None:
    plane = access_control(old := token(20), new := token(3600))
    commands = router(TaskExecStart=STARTED, TaskExecWait=DONE)

    Sandbox("sb-1", serve(plane, commands)).exec("true").wait()

    shown = {asked.metadata["authorization"] for asked in commands.asked}
    assert old != new
    assert shown == {f"Bearer {new}"}


def test_a_refused_token_is_renewed_once(serve: Serve) -> None:
    plane = access_control(old := token(name="old"), new := token(name="new"))
    refused = fails(Status.UNAUTHENTICATED)
    commands = router(TaskExecStart=in_turn(refused, STARTED), TaskExecWait=DONE)

    Sandbox("sb-1", serve(plane, commands)).exec("true").wait()

    shown = [asked.metadata["authorization"] for asked in commands.asked]
    assert shown == [f"Bearer {old}", f"Bearer {new}", f"Bearer {new}"]


def test_a_token_refused_while_reading_is_renewed(serve: Serve) -> None:
    plane = access_control(token(name="old"), token(name="new"))
    refused = fails(Status.UNAUTHENTICATED)
    commands = router(TaskExecStart=STARTED, TaskExecStdioRead=in_turn(refused, reads(b"out")))

    assert Sandbox("sb-1", serve(plane, commands)).exec("true").stdout.read() == "out"


def test_a_token_that_is_refused_again_is_an_error(serve: Serve) -> None:
    plane = access_control(token(name="old"), token(name="new"))
    commands = router(TaskExecStart=fails(Status.UNAUTHENTICATED, "not you"))

    with pytest.raises(exceptions.AuthError, match="not you"):
        Sandbox("sb-1", serve(plane, commands)).exec("true")

    assert len(commands.asked) == 2


def test_many_calls_ask_for_one_token(serve: Serve) -> None:
    plane, commands = access_control(), router(TaskExecStart=STARTED)
    sandbox = Sandbox("sb-1", serve(plane, commands))

    async def main() -> None:
        await asyncio.gather(*(sandbox.exec.aio("true") for _ in range(10)))

    asyncio.run(main())

    assert len(commands.asked) == 10
    assert len(plane.of("TaskGetCommandRouterAccess")) == 1


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


# Calls that overtake the one that starts the command


def test_calls_that_come_before_the_command_are_repeated(serve: Serve) -> None:
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
    sandbox = Sandbox("sb-1", serve(access_control(), commands))

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


# The control plane instead


def without_router(**answers: Answer) -> Service:
    return control(
        SandboxGetTaskId=task_of(),
        TaskGetCommandRouterAccess=fails(Status.FAILED_PRECONDITION, "no router"),
        ContainerExec=gives(cpb.ContainerExecResponse(exec_id="ex-1")),
        **answers,
    )


def batch(index: int, *data: bytes, code: int | None = None) -> cpb.RuntimeOutputBatch:
    items = [cpb.RuntimeOutputMessage(message_bytes=each) for each in data]
    return cpb.RuntimeOutputBatch(items=items, batch_index=index, exit_code=code)


def test_without_a_router_commands_go_through_the_control_plane(serve: Serve) -> None:
    output = in_turn(gives(batch(3, b"one")), gives(batch(6, b"two"), batch(6, code=0)))
    running = cpb.ContainerExecWaitResponse(completed=False)
    ended = cpb.ContainerExecWaitResponse(completed=True, exit_code=3)
    plane = without_router(
        ContainerExecGetOutput=output, ContainerExecWait=in_turn(gives(running), gives(ended))
    )
    process = Sandbox("sb-1", serve(plane)).exec("one", "two", workdir="/there", timeout=5)

    assert process.stdout.read() == "onetwo"
    assert process.wait() == 3
    request = plane.of("ContainerExec")[0].request
    assert list(request.command) == ["one", "two"]
    assert (request.workdir, request.timeout_secs) == ("/there", 5)
    asked = [each.request.last_batch_index for each in plane.of("ContainerExecGetOutput")]
    assert asked == [0, 3]


def test_without_a_router_input_is_numbered(serve: Serve) -> None:
    plane = without_router(
        ContainerExecPutInput=in_turn(
            gives(Empty()), fails(Status.UNAVAILABLE), gives(Empty()), gives(Empty())
        )
    )
    stdin = Sandbox("sb-1", serve(plane)).exec("cat").stdin
    for word in ("one", "two"):
        stdin.write(word)
        stdin.drain()
    stdin.write_eof()
    stdin.drain()

    sent = [each.request.input for each in plane.of("ContainerExecPutInput")]
    assert [(each.message_index, each.message, each.eof) for each in sent] == [
        (1, b"one", False),
        (2, b"two", False),
        (2, b"two", False),
        (3, b"", True),
    ]


def test_without_a_router_run_works_too(serve: Serve) -> None:
    plane = without_router(
        ContainerExecGetOutput=gives(batch(3, b"out"), batch(3, code=0)),
        ContainerExecWait=gives(cpb.ContainerExecWaitResponse(completed=True, exit_code=0)),
        ContainerExecPutInput=gives(Empty()),
    )

    assert Sandbox("sb-1", serve(plane)).run("one").stdout == "out"


@pytest.mark.parametrize("plane", [True, False])
def test_input_that_nobody_reads_is_an_error(serve: Serve, plane: bool) -> None:
    closed = fails(Status.FAILED_PRECONDITION, "it has ended")
    services = (
        [without_router(ContainerExecPutInput=closed)]
        if plane
        else [access_control(), router(TaskExecStart=STARTED, TaskExecStdinWrite=closed)]
    )
    stdin = Sandbox("sb-1", serve(*services)).exec("true").stdin
    stdin.write("word")

    with pytest.raises(exceptions.StdinClosedError, match="it has ended"):
        stdin.drain()


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
