"""What a server does to calls when a fault is set."""

import asyncio

import pytest
from grpclib import GRPCError, Status
from grpclib.exceptions import StreamTerminatedError

from pytest_sandbox import Faults, Rpcs
from pytest_sandbox._proto import common_pb2, router_pb2, sandboxes_pb2
from pytest_sandbox._proto import inspector_pb2 as pb
from pytest_sandbox.fakes import settle
from pytest_sandbox.rpcs import retry_after

from .harness import Created, Harness, refused

Result = common_pb2.GenericResult


@pytest.fixture
def faults(server: Harness) -> Faults:
    return Faults(server.app.faults)


async def listing(server: Harness, **fields: str) -> sandboxes_pb2.SandboxListResponse:
    request = sandboxes_pb2.SandboxListRequest(app_id=await server.app_id(), **fields)  # type: ignore[arg-type]
    return await server.control.SandboxList(request)


async def outcome(server: Harness) -> str:
    try:
        await listing(server)
    except GRPCError as error:
        return error.status.name
    return "OK"


@pytest.mark.asyncio
async def test_a_status_comes_instead_of_the_call(server: Harness, faults: Faults) -> None:
    rpcs = Rpcs(server.app.recorder)
    faults.on("SandboxCreate").status("UNAVAILABLE", message="maintenance")
    with refused(Status.UNAVAILABLE, "maintenance"):
        await server.create("hang")
    assert server.engine.tasks == []
    assert rpcs.of("SandboxCreate").one().faults == ("status UNAVAILABLE",)
    await server.create("hang")
    assert faults.unfired() == []


@pytest.mark.asyncio
async def test_the_nth_call_is_hit(server: Harness, faults: Faults) -> None:
    faults.on("SandboxList", nth=2).status("UNAVAILABLE")
    assert [await outcome(server) for _ in range(4)] == ["OK", "UNAVAILABLE", "OK", "OK"]


@pytest.mark.asyncio
async def test_a_fault_fires_as_often_as_it_is_told(server: Harness, faults: Faults) -> None:
    fault = faults.on("SandboxList", nth=2).status("ABORTED").times(2)
    assert [await outcome(server) for _ in range(4)] == ["OK", "ABORTED", "ABORTED", "OK"]
    assert fault.fired == 2


@pytest.mark.asyncio
async def test_a_fault_can_fire_always(server: Harness, faults: Faults) -> None:
    faults.on("SandboxList").status("ABORTED").always()
    assert [await outcome(server) for _ in range(4)] == ["ABORTED"] * 4


@pytest.mark.asyncio
async def test_faults_of_one_call_fire_in_the_order_they_were_made(
    server: Harness, faults: Faults
) -> None:
    faults.on("SandboxList").status("ABORTED")
    faults.on("SandboxList").status("UNAVAILABLE")
    assert [await outcome(server) for _ in range(3)] == ["ABORTED", "UNAVAILABLE", "OK"]


@pytest.mark.asyncio
async def test_only_calls_that_are_like_that_are_hit(server: Harness, faults: Faults) -> None:
    faults.on("SandboxCreate").where(definition__entrypoint_args=["cat"]).status("ABORTED")
    await server.create("hang")
    with refused(Status.ABORTED):
        await server.create("cat")


@pytest.mark.asyncio
async def test_only_the_callers_own_calls_are_hit(server: Harness) -> None:
    Faults(server.app.faults, caller="gw1").on("AppGetOrCreate").status("ABORTED")
    await server.app_id({"x-sandbox-caller": "gw0"})
    server._app_id = ""
    with refused(Status.ABORTED):
        await server.app_id({"x-sandbox-caller": "gw1"})


@pytest.mark.asyncio
async def test_a_delay_is_on_the_engines_clock(server: Harness, faults: Faults) -> None:
    app_id = await server.app_id()
    faults.on("SandboxList").delay(3600)
    call = asyncio.ensure_future(
        server.control.SandboxList(sandboxes_pb2.SandboxListRequest(app_id=app_id))
    )
    await settle()
    await server.clock.advance(3599)
    assert not call.done()
    await server.clock.advance(1)
    await call


@pytest.mark.asyncio
async def test_a_delay_goes_with_an_effect(server: Harness, faults: Faults) -> None:
    await server.app_id()
    faults.on("SandboxList").delay(5).status("ABORTED")
    call = asyncio.ensure_future(outcome(server))
    await settle()
    assert not call.done()
    await server.clock.advance(5)
    assert await call == "ABORTED"


@pytest.mark.asyncio
async def test_a_dropped_response_is_of_a_call_that_was_made(
    server: Harness, faults: Faults
) -> None:
    faults.on("SandboxCreate").drop_response()
    with pytest.raises(StreamTerminatedError):
        await server.create("hang", metadata={"x-idempotency-key": "one"})
    assert len(server.engine.tasks) == 1
    await server.create("hang", metadata={"x-idempotency-key": "one"})
    assert len(server.engine.tasks) == 1


async def read_until_cut(
    server: Harness, sandbox: Created, exec_id: str, error: type[Exception]
) -> bytes:
    request = router_pb2.TaskExecStdioReadRequest(task_id=sandbox.task_id, exec_id=exec_id)
    got = bytearray()

    async def read() -> None:
        async with server.router.TaskExecStdioRead.open(metadata=sandbox.auth) as stream:
            await stream.send_message(request, end=True)
            while (message := await stream.recv_message()) is not None:
                got.extend(message.data)

    with pytest.raises(error):
        await read()
    return bytes(got)


@pytest.mark.asyncio
@pytest.mark.parametrize(("after", "expected"), [(0, b""), (2, b"he"), (6, b"hello\n")])
async def test_a_stream_is_cut_to_the_byte(
    server: Harness, faults: Faults, after: int, expected: bytes
) -> None:
    sandbox = await server.create("hang")
    exec_id = await server.exec(sandbox, "echo", "hello")
    faults.on("TaskExecStdioRead").cut_stream(after_bytes=after)
    assert await read_until_cut(server, sandbox, exec_id, GRPCError) == expected
    assert await server.output(sandbox, exec_id, offset=after) == b"hello\n"[after:]


@pytest.mark.asyncio
async def test_a_stream_that_is_shorter_is_spared(server: Harness, faults: Faults) -> None:
    sandbox = await server.create("hang")
    exec_id = await server.exec(sandbox, "echo", "hello")
    fault = faults.on("TaskExecStdioRead").cut_stream(after_bytes=7)
    assert await server.output(sandbox, exec_id) == b"hello\n"
    assert faults.unfired() == [fault]


@pytest.mark.asyncio
async def test_a_dropped_stream_gives_nothing(server: Harness, faults: Faults) -> None:
    sandbox = await server.create("hang")
    exec_id = await server.exec(sandbox, "echo", "hello")
    faults.on("TaskExecStdioRead").drop_response()
    assert await read_until_cut(server, sandbox, exec_id, StreamTerminatedError) == b""


@pytest.mark.asyncio
async def test_a_rate_limit_says_when_to_come_back(server: Harness, faults: Faults) -> None:
    faults.on("SandboxList").rate_limit(retry_after=2.5)
    with pytest.raises(GRPCError) as caught:
        await listing(server)
    assert caught.value.status is Status.RESOURCE_EXHAUSTED
    assert retry_after(caught.value.details) == 2.5


@pytest.mark.asyncio
async def test_random_faults_are_the_same_for_the_same_seed(
    server: Harness, faults: Faults
) -> None:
    async def outcomes(seed: int) -> list[str]:
        faults.random(seed, rate=0.5, among=["SandboxList"])
        found = [await outcome(server) for _ in range(40)]
        faults.clear()
        return found

    first, again, other = await outcomes(1), await outcomes(1), await outcomes(2)
    assert first == again
    assert first != other
    assert 10 <= first.count("UNAVAILABLE") <= 30


@pytest.mark.asyncio
@pytest.mark.parametrize(("rate", "expected"), [(0, "OK"), (1, "DATA_LOSS")])
async def test_a_rate_has_its_ends(
    server: Harness, faults: Faults, rate: float, expected: str
) -> None:
    faults.random("any", rate=rate, among=["SandboxList"]).status("DATA_LOSS")
    assert {await outcome(server) for _ in range(20)} == {expected}


@pytest.mark.asyncio
async def test_a_vanished_sandbox_is_an_internal_failure(server: Harness, faults: Faults) -> None:
    sandbox = await server.create("hang")
    faults.vanish(sandbox.id)
    result = await server.wait(sandbox, timeout=1)
    assert result.status == Result.GENERIC_STATUS_INTERNAL_FAILURE
    assert server.engine.tasks[-1].poll() is not None
    assert faults.unfired() == []


@pytest.mark.asyncio
async def test_a_sandbox_out_of_memory_was_killed_by_the_kernel(
    server: Harness, faults: Faults
) -> None:
    sandbox = await server.create("hang")
    faults.oom(sandbox.id)
    result = await server.wait(sandbox, timeout=1)
    assert (result.status, result.exitcode) == (Result.GENERIC_STATUS_KERNEL_OOM_KILL, 137)


@pytest.mark.asyncio
async def test_a_sandbox_vanishes_at_its_time(server: Harness, faults: Faults) -> None:
    sandbox = await server.create("hang", timeout_secs=7200)
    await server.clock.advance(100)
    faults.vanish(sandbox.id, at=3600)
    await server.clock.advance(3499)
    assert not (await server.wait(sandbox)).status
    assert len(faults.unfired()) == 1
    await server.clock.advance(1)
    assert (await server.wait(sandbox)).status == Result.GENERIC_STATUS_INTERNAL_FAILURE
    assert faults.unfired() == []


@pytest.mark.asyncio
async def test_a_fault_that_is_taken_back_does_not_come(server: Harness, faults: Faults) -> None:
    sandbox = await server.create("hang", timeout_secs=7200)
    faults.vanish(sandbox.id, at=60)
    faults.on("SandboxList").status("ABORTED")
    faults.clear()
    await server.clock.advance(100)
    assert not (await server.wait(sandbox)).status
    assert await outcome(server) == "OK"


@pytest.mark.asyncio
async def test_a_sandbox_that_ended_before_cannot_vanish(server: Harness, faults: Faults) -> None:
    sandbox = await server.create("hang")
    await server.terminate(sandbox)
    fault = faults.vanish(sandbox.id)
    await settle()
    assert faults.unfired() == [fault]
    assert (await server.wait(sandbox)).status == Result.GENERIC_STATUS_TERMINATED


@pytest.mark.asyncio
async def test_a_sandbox_that_is_not_there_cannot_vanish(server: Harness, faults: Faults) -> None:
    with refused(Status.NOT_FOUND, "sb-no"):
        faults.vanish("sb-no")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"rpcs": ["SandboxCraete"]}, ["SandboxCraete"]),
        ({"rpcs": ["SandboxList"], "where": "open('/etc/passwd')"}, ["literal"]),
        ({"rpcs": ["SandboxList"], "where": "[1]"}, ["dict"]),
        ({"rpcs": ["SandboxList"], "where": "{'nothing': 1}"}, ["nothing"]),
        ({"rpcs": ["SandboxList"], "delay": -1}, ["negative"]),
        ({"rpcs": ["SandboxList"], "delay": float("nan")}, ["negative"]),
        ({"rpcs": ["SandboxList"], "status": pb.FaultStatus(status="BAD")}, ["BAD"]),
    ],
)
async def test_a_fault_that_makes_no_sense_is_refused(
    server: Harness, call: dict[str, object], words: list[str]
) -> None:
    """Our own client looks before; others may not."""
    fault = pb.Fault(id="x", call=pb.CallFault(**call))  # type: ignore[arg-type]
    with refused(Status.INVALID_ARGUMENT, *words):
        await server.inspector.FaultSet(pb.InspectorFaultSetRequest(fault=fault))
    assert await outcome(server) == "OK"


@pytest.mark.asyncio
async def test_a_sandbox_cannot_end_by_just_anything(server: Harness) -> None:
    sandbox = await server.create("hang")
    ending = pb.SandboxFault(sandbox_id=sandbox.id, cause="boredom")
    with refused(Status.INVALID_ARGUMENT, "boredom"):
        await server.inspector.FaultSet(
            pb.InspectorFaultSetRequest(fault=pb.Fault(id="x", sandbox=ending))
        )
