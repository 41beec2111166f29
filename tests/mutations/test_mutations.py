"""A server that is broken on purpose is noticed, over each engine."""

import asyncio

import pytest

from pytest_sandbox.client import exceptions
from pytest_sandbox.engine import Engine, EngineInfo

from . import (
    engine_mutations,
    second_version_mutations,
    snapshot_mutations,
    wire_mutations,
)
from .checks import CHECKS, Check, skip_without
from .mutation import Mutation
from .wire import Wire, serve

MUTATIONS = (
    *wire_mutations.MUTATIONS,
    *second_version_mutations.MUTATIONS,
    *snapshot_mutations.MUTATIONS,
    *engine_mutations.MUTATIONS,
)

#: How a check fails: it says so, or a call ends with an error that it should not.
FAILURES = (AssertionError, pytest.fail.Exception, exceptions.Error, OSError)
#: Errors by which a mutation itself fails in the server, which no check is to be credited with.
MISTAKES = (exceptions.InternalError, exceptions.ServiceError)
#: How often a check passes on a sound server before it is said to hang on a broken one.
ROUNDS = 3


async def fails(check: Check, wire: Wire) -> bool:
    """Whether a check notices what is wrong with a server."""
    try:
        await check(wire)
    except MISTAKES:
        raise
    except FAILURES:
        return True
    return False


async def hangs(check: Check, broken: Wire, sound: Wire) -> bool:
    """Whether a check fails, or waits for something that never comes.

    It is not given a number of seconds: on the same machine, at the same time, a sound server has
    to pass it several times, one after another.
    """
    checking = asyncio.ensure_future(fails(check, broken))
    try:
        for _ in range(ROUNDS):
            await check(sound)
        return not checking.done() or await checking
    finally:
        checking.cancel()
        await asyncio.wait({checking})


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
async def test_a_broken_server_is_noticed(
    mutation: Mutation, started: tuple[Engine, EngineInfo]
) -> None:
    for name in mutation.noticed_by:
        skip_without(name, started[1])
    async with serve(*started, mutation.apply) as broken:
        for name in mutation.noticed_by:
            if mutation.hangs:
                async with serve(*started) as sound:
                    assert await hangs(CHECKS[name], broken, sound), name
            else:
                assert await fails(CHECKS[name], broken), name


def test_every_mutation_is_for_a_check_that_exists() -> None:
    assert {name for mutation in MUTATIONS for name in mutation.noticed_by} <= CHECKS.keys()
    assert len({str(mutation) for mutation in MUTATIONS}) == len(MUTATIONS)
