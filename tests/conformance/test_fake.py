"""The engine in memory keeps the contract."""

import pytest

from pytest_sandbox.engine import SystemClock
from pytest_sandbox.engine.conformance import CHECKS, CLOSING, Check
from pytest_sandbox.fakes import FakeEngine


@pytest.mark.asyncio
@pytest.mark.parametrize("check", [*CHECKS, *CLOSING], ids=str)
async def test_contract(check: Check) -> None:
    engine = FakeEngine(clock=SystemClock())
    info = await engine.start()
    if not check.applies_to(info.capabilities):
        pytest.skip(f"needs {check.needs}")
    await check.run(engine)
    await engine.close()
