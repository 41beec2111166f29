"""The server keeps its promises to clients, over each engine."""

import pytest

from pytest_sandbox.engine import Engine, EngineInfo

from .checks import CHECKS, skip_without
from .wire import serve


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", CHECKS)
async def test_the_server_keeps_its_promise(name: str, started: tuple[Engine, EngineInfo]) -> None:
    skip_without(name, started[1])
    async with serve(*started) as wire:
        await CHECKS[name](wire)


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_states_one_sentence(name: str) -> None:
    assert (CHECKS[name].__doc__ or "").endswith(".")
