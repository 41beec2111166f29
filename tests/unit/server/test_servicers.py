"""Servicers are made by the first call of one of their RPCs, which a table has."""

import pytest

from pytest_sandbox.server.servicers import RPCS

from .harness import Harness


@pytest.mark.asyncio
async def test_the_table_has_every_handler_and_no_other(server: Harness) -> None:
    servicers = server.app._servicers
    handlers = {
        name: {each for each in dir(getattr(servicers, name)) if each[0].isupper()} for name in RPCS
    }

    assert handlers == {name: set(rpcs.split()) for name, rpcs in RPCS.items()}


@pytest.mark.asyncio
async def test_every_servicer_is_in_the_table(server: Harness) -> None:
    servicers = type(server.app._servicers)
    made = {name for name in vars(servicers) if not name.startswith("_")}

    assert made - {"of", "close", "close_builds"} == {*RPCS, "builder", "creator"}


@pytest.mark.asyncio
async def test_a_call_makes_the_servicer_that_serves_it_alone(server: Harness) -> None:
    await server.app_id()

    assert vars(server.app._servicers).keys() & {*RPCS, "builder"} == {"apps"}
