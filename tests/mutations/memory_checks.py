"""What a server has to do with memory snapshots, and with GPUs, as its clients see it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from pytest_sandbox.client import App, Sandbox, SandboxSnapshot, exceptions
from pytest_sandbox.engine import Capability

from .programs import COUNT
from .wire import Wire


@asynccontextmanager
async def going_on(snapshot: SandboxSnapshot, *, name: str | None = None) -> AsyncIterator[Sandbox]:
    """A sandbox that resumes from a snapshot, for the length of a `with`."""
    sandbox = await Sandbox._experimental_from_snapshot.aio(snapshot, name=name)
    try:
        yield sandbox
    finally:
        await sandbox.terminate.aio()


async def count(sandbox: Sandbox) -> str:
    """What a counter says to another line."""
    sandbox.stdin.write("line\n")
    await sandbox.stdin.drain.aio()
    async for line in sandbox.stdout:
        return line
    raise AssertionError("the counter has ended")


async def copies_go_on(wire: Wire) -> None:
    """A sandbox from a snapshot continues where the other was, which continues itself."""
    async with wire.sandbox(*COUNT, _experimental_enable_snapshot=True) as source:
        await source.set_tags.aio({"tag": "same"})
        assert [await count(source) for _ in range(2)] == ["1\n", "2\n"]
        snapshot = await source._experimental_snapshot.aio()
        assert await count(source) == "3\n"
        async with going_on(snapshot) as one, going_on(snapshot) as other:
            assert len({sandbox.object_id for sandbox in (source, one, other)}) == 3
            assert [await count(one), await count(one), await count(other)] == ["3\n", "4\n", "3\n"]
            assert await one.get_tags.aio() == {"tag": "same"}
        assert await count(source) == "4\n"


async def copies_have_names_of_their_own(wire: Wire) -> None:
    """A sandbox from a snapshot has the name that it is given, or none."""
    app = await App.lookup.aio("wire-copies", create_if_missing=True, client=wire.client)
    options = {"app": app, "name": "source", "_experimental_enable_snapshot": True}
    async with wire.sandbox(*COUNT, **options) as source:
        snapshot = await source._experimental_snapshot.aio()
        async with going_on(snapshot, name="copy") as copy, going_on(snapshot):
            found = await Sandbox.from_name.aio("wire-copies", "copy", client=wire.client)
            assert found.object_id == copy.object_id
            found = await Sandbox.from_name.aio("wire-copies", "source", client=wire.client)
            assert found.object_id == source.object_id
        with pytest.raises(exceptions.AlreadyExistsError):
            await Sandbox._experimental_from_snapshot.aio(snapshot)


async def snapshots_are_apart(wire: Wire) -> None:
    """Each snapshot is of its own sandbox and moment; a forgotten one is not found."""
    async with wire.sandbox(*COUNT, _experimental_enable_snapshot=True) as source:
        first = await source._experimental_snapshot.aio()
        await count(source)
        second = await source._experimental_snapshot.aio()
        async with going_on(second) as two, going_on(first) as one:
            assert [await count(one), await count(two)] == ["1\n", "2\n"]
        await wire.client.extensions.forget_snapshot.aio(first)
        with pytest.raises(exceptions.NotFoundError, match="it was forgotten"):
            await Sandbox._experimental_from_snapshot.aio(first)


async def each_sandbox_has_its_own_gpus(wire: Wire) -> None:
    """A sandbox has the GPUs that it asked for, and none without asking."""
    script = "nvidia-smi -L 2>/dev/null | grep -F GPU | wc -l"
    for options, expected in (({"gpu": "any"}, "1"), ({}, "0")):
        async with wire.sandbox(**options) as sandbox:
            done = await sandbox.run.aio("sh", "-c", script)
            assert done.stdout.strip() == expected


_MEMORY = frozenset({Capability.MEMORY_SNAPSHOT})
#: What each of these needs of an engine.
NEEDS: dict[Callable[[Wire], Awaitable[None]], frozenset[Capability]] = {
    copies_go_on: _MEMORY,
    copies_have_names_of_their_own: _MEMORY,
    snapshots_are_apart: _MEMORY,
    each_sandbox_has_its_own_gpus: frozenset({Capability.GPU}),
}
