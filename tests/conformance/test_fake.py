"""The engine in memory keeps the contract, on the time of the machine and on time that skips."""

import pytest

from pytest_sandbox.engine import SystemClock
from pytest_sandbox.engine.conformance import CHECKS, CLOSING, Check
from pytest_sandbox.fakes import FakeEngine, VirtualClock, new_event_loop

#: What takes long and has nothing to do with time.
BIG = ("output.big_output", "output.big_output_while_nobody_reads", "output.flow_control")


async def keep(check: Check, engine: FakeEngine) -> None:
    info = await engine.start()
    if mismatch := check.mismatch(info.capabilities):
        pytest.skip(mismatch)
    await check.run(engine)
    await engine.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("check", [*CHECKS, *CLOSING], ids=str)
async def test_contract(check: Check) -> None:
    await keep(check, FakeEngine(clock=SystemClock()))


@pytest.mark.parametrize(
    "check", [check for check in [*CHECKS, *CLOSING] if check.name not in BIG], ids=str
)
def test_contract_while_time_skips(check: Check) -> None:
    clock = VirtualClock()
    loop = new_event_loop(clock)
    try:
        loop.run_until_complete(keep(check, FakeEngine(clock=clock)))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
