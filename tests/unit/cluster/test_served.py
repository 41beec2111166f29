"""What a server makes of a cluster: images that are gone with a machine, and a full machine."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from grpclib import Status

from pytest_sandbox.cluster import ClusterEngine
from tests.unit.server.building import built, printed
from tests.unit.server.engines import GatedEngine
from tests.unit.server.harness import Harness, refused, serve
from tests.unit.server.snapshotting import files_image

from .nodes import Turns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.server.harness import Created

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def served() -> AsyncIterator[tuple[Harness, Turns, list[GatedEngine]]]:
    """A server of a cluster of two machines, on which sandboxes are in turn."""
    engines = [GatedEngine(), GatedEngine()]
    placer = Turns(engines)
    async with serve(ClusterEngine(placer, engines[0].clock)) as server:
        yield server, placer, engines


async def test_an_image_that_is_gone_with_a_machine_is_built_again() -> None:
    async with served() as (server, placer, _engines):
        steps = ("RUN echo made > /srv/file",)
        first = await built(server, *steps)
        await placer.lose(placer.nodes[0])
        assert await built(server, *steps) != first
        again = await built(server, *steps)
        assert await printed(server, again, "cat", "/srv/file") == "made\n"


async def test_only_the_layers_that_are_gone_are_built_again() -> None:
    async with served() as (server, placer, engines):
        below, above = "RUN echo one > /srv/one", "RUN echo two > /srv/two"
        await built(server, below)
        await built(server, below, above)
        await placer.lose(placer.nodes[1])  # which has the layer above
        ran = len(engines[0].tasks)
        await built(server, below, above)
        assert len(engines[0].tasks) == ran + 1


async def test_a_snapshot_that_is_gone_with_a_machine_says_which() -> None:
    async with served() as (server, placer, _engines):
        image_id = await files_image(server, await server.create())
        await placer.lose(placer.nodes[0])
        with refused(Status.NOT_FOUND, image_id, "it was on n0, which is gone: make it again"):
            await server.create(image_id=image_id)


async def on(server: Harness, placer: Turns, number: int, **fields: Any) -> Created:
    """A sandbox on a machine."""
    while True:
        sandbox = await server.create(**fields)
        if placer.placed[-1].node is placer.nodes[number]:
            return sandbox


async def test_a_full_machine_has_its_own_snapshots_evicted_and_no_others() -> None:
    async with served() as (server, placer, engines):
        engines[0].snapshots.room = 2
        here, there = await on(server, placer, 0), await on(server, placer, 1)
        elsewhere = await files_image(server, there, "elsewhere")  # not used for the longest time
        oldest = await files_image(server, here, "oldest")
        newer = await files_image(server, here, "newer")
        newest = await files_image(server, here, "newest")
        for kept in (elsewhere, newer, newest):
            await server.create(image_id=kept)
        with refused(Status.NOT_FOUND, oldest, "it was evicted"):
            await server.create(image_id=oldest)


async def test_a_copy_makes_room_before_what_is_nowhere_else() -> None:
    async with served() as (server, placer, engines):
        engines[0].snapshots.room = 2
        here, there = await on(server, placer, 0), await on(server, placer, 1)
        only_here = await files_image(server, here, "only here")
        both = await files_image(server, there, "both")
        await on(server, placer, 0, image_id=both)
        assert len(engines[0].snapshots) == 2
        newest = await files_image(server, here, "newest")
        assert len(engines[0].snapshots) == 2
        for image_id in (only_here, newest, both):
            await on(server, placer, 1, image_id=image_id)
