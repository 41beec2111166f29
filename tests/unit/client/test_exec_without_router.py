"""Commands go through the control plane if there is no command router."""

from __future__ import annotations

import pytest
from google.protobuf.empty_pb2 import Empty
from grpclib import Status

from pytest_sandbox._proto import containers_pb2 as cpb
from pytest_sandbox.client import Sandbox, exceptions

from .command_stubs import STARTED, Serve, access_control
from .stubs import Answer, Service, control, fails, gives, in_turn, router, task_of

pytestmark = pytest.mark.usefixtures("impatient")


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
