"""The same server over the engine in memory: real gRPC, scripted commands, time that skips."""

import pytest
from grpclib import GRPCError, Status

from pytest_sandbox._proto import common_pb2
from pytest_sandbox.fakes import Call, FakeEngine, VirtualClock

from .harness import ERR, Harness

pytestmark = pytest.mark.asyncio

DAY = 24 * 60 * 60


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


async def test_a_scripted_command_is_run_over_grpc(engine: FakeEngine, server: Harness) -> None:
    def install(call: Call) -> str:
        call.files.write("/srv/installed", call.argv[-1])
        call.err("warning\n")
        return f"installed {call.argv[-1]}\n"

    engine.on_exec("pip", "install", ...).calls(install)
    sandbox = await server.create()
    exec_id = await server.exec(sandbox, "pip", "install", "flask")
    assert await server.output(sandbox, exec_id) == b"installed flask\n"
    assert await server.output(sandbox, exec_id, ERR) == b"warning\n"
    assert (await server.code(sandbox, exec_id)).code == 0
    shown = await server.exec(sandbox, "sh", "-c", "cat /srv/installed; exit 3")
    assert await server.output(sandbox, shown) == b"flask"
    assert (await server.code(sandbox, shown)).code == 3
    assert (engine.problems, engine.unused) == ([], [])


async def test_an_unknown_command_shows_the_nearest_script_to_the_client(
    engine: FakeEngine, server: Harness
) -> None:
    engine.on_exec("make", "test")
    sandbox = await server.create()
    with pytest.raises(GRPCError, match="the nearest script is `make test`") as caught:
        await server.exec(sandbox, "make", "tests")
    assert caught.value.status in (Status.INVALID_ARGUMENT, Status.NOT_FOUND)


async def test_the_lifetime_of_a_day_passes_at_once(engine: FakeEngine, server: Harness) -> None:
    clock = engine.clock
    assert isinstance(clock, VirtualClock)
    sandbox = await server.create("sleep", "infinity", timeout_secs=DAY)
    await clock.advance(DAY - 1)
    before = await server.wait(sandbox)
    await clock.advance(1)
    after = await server.wait(sandbox)
    results = common_pb2.GenericResult
    assert before.status == results.GENERIC_STATUS_UNSPECIFIED
    assert after.status == results.GENERIC_STATUS_TIMEOUT
