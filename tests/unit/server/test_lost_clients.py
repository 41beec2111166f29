"""Commands whose client is gone: which of them are ended, and which go on."""

import asyncio
from typing import Any

import pytest
import pytest_asyncio

from pytest_sandbox._proto import containers_pb2 as pb
from pytest_sandbox._proto import router_pb2
from pytest_sandbox.fakes import settle
from pytest_sandbox.server.commands.commands import UNCLAIMED_TIME
from pytest_sandbox.server.rpc.call import IDEMPOTENCY_KEY, ServedCall
from pytest_sandbox.server.v1.container_exec import INPUT_TIMEOUT, ContainerExecServicer

from .harness import UNIX, Created, Harness

pytestmark = pytest.mark.asyncio


def runs(sandbox: Created) -> bool:
    """Whether the only command of a sandbox runs."""
    (process,) = sandbox.task.processes
    return process.poll() is None


async def give_up(call: "asyncio.Future[Any]") -> None:
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await settle()


async def lost_start(server: Harness, sandbox: Created) -> None:
    """A call that is cancelled before its answer, though the command starts."""
    server.engine.gate.clear()
    call = asyncio.ensure_future(server.exec(sandbox, "cat", exec_id="e1"))
    await settle()
    await give_up(call)
    server.engine.gate.set()
    await settle()
    assert runs(sandbox)


async def test_a_command_whose_start_was_given_up_is_ended(server: Harness) -> None:
    sandbox = await server.create(timeout_secs=1000)
    await lost_start(server, sandbox)
    await server.clock.advance(UNCLAIMED_TIME - 1)
    assert runs(sandbox)
    await server.clock.advance(1)
    assert not runs(sandbox)


async def test_a_command_whose_start_is_repeated_goes_on(server: Harness) -> None:
    sandbox = await server.create(timeout_secs=1000)
    await lost_start(server, sandbox)
    await server.exec(sandbox, "cat", exec_id="e1")
    await server.clock.advance(2 * UNCLAIMED_TIME)
    assert runs(sandbox)


async def test_a_command_that_is_asked_for_goes_on(server: Harness) -> None:
    sandbox = await server.create(timeout_secs=1000)
    await lost_start(server, sandbox)
    await server.write(sandbox, "e1", b"x")
    await server.clock.advance(2 * UNCLAIMED_TIME)
    assert runs(sandbox)


async def test_a_command_that_ended_meanwhile_is_not_killed(server: Harness) -> None:
    sandbox = await server.create(timeout_secs=1000)
    await lost_start(server, sandbox)
    await sandbox.task.processes[-1].close_stdin()
    await server.clock.advance(UNCLAIMED_TIME)
    status = sandbox.task.processes[-1].poll()
    assert status is not None
    assert status.code == 0


async def test_a_command_goes_on_when_its_readers_are_gone(server: Harness) -> None:
    """As at Modal: another client may come for it, and it ends with its sandbox at the latest."""
    sandbox = await server.create(timeout_secs=1000)
    await server.exec(sandbox, "cat", exec_id="e1")
    request = router_pb2.TaskExecWaitRequest(task_id=sandbox.task_id, exec_id="e1")
    waiting = asyncio.ensure_future(server.router.TaskExecWait(request, metadata=sandbox.auth))
    reading = asyncio.ensure_future(server.output(sandbox, "e1"))
    await settle()
    await give_up(waiting)
    await give_up(reading)
    await server.clock.advance(900)
    assert runs(sandbox)
    await server.clock.advance(100)
    assert not runs(sandbox)


class ControlPlane:
    """Commands through the control plane."""

    def __init__(self, server: Harness, sandbox: Created) -> None:
        self._control = server.control
        self._task_id = sandbox.task_id

    async def exec(self, key: str = "", **fields: Any) -> str:
        request = pb.ContainerExecRequest(task_id=self._task_id, command=["cat"], **fields)
        metadata = {IDEMPOTENCY_KEY: key} if key else {}
        return str((await self._control.ContainerExec(request, metadata=metadata)).exec_id)

    async def put(self, exec_id: str, index: int) -> None:
        request = pb.ContainerExecPutInputRequest(exec_id=exec_id)
        request.input.message_index = index
        await self._control.ContainerExecPutInput(request)


@pytest_asyncio.fixture
async def sandbox(server: Harness) -> Created:
    return await server.create(timeout_secs=1000)


@pytest.fixture
def control(server: Harness, sandbox: Created) -> ControlPlane:
    return ControlPlane(server, sandbox)


@pytest.mark.parametrize("key", ["", "k"])
async def test_a_command_of_the_control_plane_is_ended_too(
    server: Harness, sandbox: Created, control: ControlPlane, key: str
) -> None:
    server.engine.gate.clear()
    call = asyncio.ensure_future(control.exec(key))
    await settle()
    await give_up(call)
    server.engine.gate.set()
    await settle()
    assert runs(sandbox)
    await server.clock.advance(UNCLAIMED_TIME)
    assert not runs(sandbox)


async def test_the_next_attempt_with_the_same_key_has_the_command(
    server: Harness, sandbox: Created, control: ControlPlane
) -> None:
    server.engine.gate.clear()
    call = asyncio.ensure_future(control.exec("k"))
    await settle()
    await give_up(call)
    server.engine.gate.set()
    await control.exec("k")
    await server.clock.advance(2 * UNCLAIMED_TIME)
    assert runs(sandbox)


async def test_a_command_whose_client_was_gone_before_it_began_is_ended(
    server: Harness, sandbox: Created
) -> None:
    """What runs once for a key runs in a task of its own, which may begin after the loss."""
    call = ServedCall("ContainerExec", UNIX, {})
    call.lose()
    request = pb.ContainerExecRequest(task_id=sandbox.task_id, command=["cat"])
    await ContainerExecServicer(server.app.state).ContainerExec(request, call)
    assert runs(sandbox)
    await server.clock.advance(UNCLAIMED_TIME)
    assert not runs(sandbox)


TERMINAL = {"enabled": True}


async def test_a_shell_whose_client_is_silent_is_ended(
    server: Harness, sandbox: Created, control: ControlPlane
) -> None:
    exec_id = await control.exec(pty_info=TERMINAL)
    for index in (1, 2):
        await server.clock.advance(INPUT_TIMEOUT - 1)
        await control.put(exec_id, index)
    await server.clock.advance(INPUT_TIMEOUT - 1)
    assert runs(sandbox)
    await server.clock.advance(1)
    assert not runs(sandbox)


@pytest.mark.parametrize(
    "fields",
    [{}, {"pty_info": {**TERMINAL, "no_terminate_on_idle_stdin": True}}, {"pty_info": {}}],
)
async def test_other_commands_may_wait_for_input(
    server: Harness, sandbox: Created, control: ControlPlane, fields: dict[str, Any]
) -> None:
    await control.exec(**fields)
    await server.clock.advance(10 * INPUT_TIMEOUT)
    assert runs(sandbox)


async def test_a_shell_that_ended_is_not_killed(
    server: Harness, sandbox: Created, control: ControlPlane
) -> None:
    await control.exec(pty_info=TERMINAL)
    await sandbox.task.processes[-1].signal(15)
    (execution,) = server.app.state.sandboxes.get(sandbox.id).commands.started
    await server.clock.advance(2 * INPUT_TIMEOUT)
    assert (execution.asked, execution.ended_by) == (False, "")
