"""A server that is broken on purpose is found out, over each engine."""

import asyncio

import pytest

from pytest_sandbox.client import exceptions
from pytest_sandbox.engine import Engine, EngineInfo

from . import breaks, image_breaks
from .breaks import Break
from .checks import CHECKS, skip_without
from .wire import Wire, serve

#: Seconds after which something that a server never does counts as not done.
PATIENCE = 3.0
#: The same for what it does at once, on a machine that is busy.
BOUND = 60.0

BREAKS = (*breaks.BREAKS, *image_breaks.BREAKS)

#: How a check fails: it says so, or a call ends with an error that it should not.
FAILURES = (AssertionError, pytest.fail.Exception, exceptions.Error, OSError)


async def notices(name: str, wire: Wire, *, hangs: bool) -> bool:
    """Whether a check fails; by waiting in vain only if that is how the break shows."""
    try:
        await asyncio.wait_for(CHECKS[name](wire), PATIENCE if hangs else BOUND)
    except asyncio.TimeoutError:
        return hangs
    except FAILURES:
        return True
    return False


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("broken", BREAKS, ids=str)
async def test_a_broken_server_is_noticed(
    broken: Break, started: tuple[Engine, EngineInfo], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in broken.noticed_by:
        skip_without(name, started[1])
    broken.apply(monkeypatch)
    async with serve(*started) as wire:
        for name in broken.noticed_by:
            assert await notices(name, wire, hangs=broken.hangs), name


def test_every_break_is_for_a_check_that_is_there() -> None:
    assert {name for broken in BREAKS for name in broken.noticed_by} <= CHECKS.keys()
    assert len({str(broken) for broken in BREAKS}) == len(BREAKS)
