"""An engine on another machine keeps the contract: what lies between changes nothing."""

import asyncio
import gc
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from pytest_sandbox.engine import Engine, EngineInfo
from pytest_sandbox.engine.conformance import CHECKS, CLOSING, Check
from pytest_sandbox.local import LocalEngine
from pytest_sandbox.remote import loopback_engine


@dataclass
class Started:
    engine: Engine
    info: EngineInfo


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Started]:
    """One engine for all checks; errors that nobody asked for, which asyncio tells, are bugs."""
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(str(told)))
    engine = loopback_engine(LocalEngine)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_SANDBOX_IMAGES", str(tmp_path_factory.mktemp("store") / "images"))
        info = await engine.start()
    yield Started(engine, info)
    await engine.close()
    gc.collect()
    assert complaints == []


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("check", CHECKS, ids=str)
async def test_contract(check: Check, started: Started) -> None:
    if mismatch := check.mismatch(started.info.capabilities):
        pytest.skip(f"{mismatch} ({started.info.mode})")
    await check.run(started.engine)


@pytest.mark.asyncio
@pytest.mark.parametrize("check", CLOSING, ids=str)
async def test_end_of_the_engine(check: Check) -> None:
    engine = loopback_engine(LocalEngine)
    await engine.start()
    await check.run(engine)
    await engine.close()
