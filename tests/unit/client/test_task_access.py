"""The task of a sandbox, and the tokens for it, are asked for as seldom as can be."""

from __future__ import annotations

import asyncio

import pytest
from grpclib import Status

from pytest_sandbox._proto import common_pb2
from pytest_sandbox._proto import sandboxes_pb2 as spb
from pytest_sandbox.client import Sandbox, exceptions

from .command_stubs import DONE, STARTED, Serve, access_control, creating, reads, rpcs
from .stubs import access, control, fails, gives, in_turn, router, task_of, token

pytestmark = pytest.mark.usefixtures("impatient")


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


def test_each_attempt_to_create_says_that_another_is_likely_to_come(serve: Serve) -> None:
    plane = creating({})
    plane.answers["SandboxCreate"] = in_turn(
        fails(Status.UNAVAILABLE), plane.answers["SandboxCreate"]
    )
    client = serve(plane)

    assert isinstance(client.extensions.create(workdir="/srv"), Sandbox)
    Sandbox.create(client=client)

    made = plane.of("SandboxCreate")
    assert ["x-sandbox-another" in each.metadata for each in made] == [True, True, False]
    assert made[0].request == made[1].request
    assert made[1].request.definition.workdir == "/srv"


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
