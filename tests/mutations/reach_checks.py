"""What a server has to do with ports and volumes of sandboxes, as its clients see it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pytest_sandbox.client import Sandbox, SandboxNetwork, Volume, exceptions
from pytest_sandbox.engine import Capability

from .programs import ASK, LISTEN
from .wire import Wire


async def listening(sandbox: Sandbox, *ports_and_words: str) -> None:
    """Have a program answer on ports, each with its word."""
    process = await sandbox.exec.aio("python3", "-c", LISTEN, *ports_and_words)
    async for line in process.stdout:
        assert line == "ready\n"
        return


async def said(sandbox: Sandbox, port: int) -> str:
    """What is said at the other end of a tunnel."""
    tunnel = (await sandbox.tunnels.aio())[port]
    reader, writer = await asyncio.open_connection(*tunnel.tcp_socket)
    try:
        return (await reader.read()).decode()
    finally:
        writer.close()


async def tunnels_lead_to_their_ports(wire: Wire) -> None:
    """Each tunnel leads to the port that it is for, in its own sandbox."""
    ports = [8000, 8001]
    async with (
        wire.sandbox(unencrypted_ports=ports) as one,
        wire.sandbox(unencrypted_ports=ports) as other,
    ):
        await listening(one, "8000", "one", "8001", "two")
        await listening(other, "8000", "three", "8001", "four")
        answers = [await said(sandbox, port) for sandbox in (one, other) for port in ports]
        assert answers == ["one", "two", "three", "four"]


async def tunnels_outlast_a_restore(wire: Wire) -> None:
    """A tunnel leads into its sandbox also after that was restored, at the same address."""
    async with wire.sandbox(unencrypted_ports=[8000]) as sandbox:
        await listening(sandbox, "8000", "before")
        before = (await sandbox.tunnels.aio())[8000].tcp_socket
        assert await said(sandbox, 8000) == "before"
        await sandbox.restore.aio(await sandbox.snapshot_filesystem.aio())
        await listening(sandbox, "8000", "after")
        assert (await sandbox.tunnels.aio())[8000].tcp_socket == before
        assert await said(sandbox, 8000) == "after"


async def tunnels_end_with_their_sandbox(wire: Wire) -> None:
    """Nothing listens for a sandbox that has ended."""
    async with wire.sandbox(unencrypted_ports=[8000]) as sandbox:
        await listening(sandbox, "8000", "one")
        tunnel = (await sandbox.tunnels.aio())[8000]
        await sandbox.terminate.aio()
        with pytest.raises(OSError):  # noqa: PT011 - refused, or reset, by who closes first
            await asyncio.open_connection(*tunnel.tcp_socket)


async def aliases_lead_to_their_sandboxes(wire: Wire) -> None:
    """An alias leads to the sandbox that has it in the network, and to one only, while it runs."""
    here, there = SandboxNetwork(), SandboxNetwork()
    async with (
        wire.sandbox(network=here, alias="db") as db,
        wire.sandbox(network=there, alias="db") as other,
        wire.sandbox(network=here) as client,
    ):
        for sandbox, word in ((db, "here"), (other, "there")):
            await listening(sandbox, "8000", word)
        asked = await client.run.aio("python3", "-c", ASK, "db", "8000")
        assert asked.stdout == "here\n"
        with pytest.raises(exceptions.AlreadyExistsError):
            await Sandbox.create.aio(network=here, alias="db", client=wire.client)
        await db.restore.aio(await db.snapshot_filesystem.aio())
        await listening(db, "8000", "restored")
        asked = await client.run.aio("python3", "-c", ASK, "db", "8000")
        assert asked.stdout == "restored\n"


async def volumes_are_shared_by_name(wire: Wire) -> None:
    """Sandboxes with the volume of one name have the same; in another environment it is another."""
    await wire.environment("elsewhere")
    names = [("shared", None), ("shared", None), ("other", None), ("shared", "elsewhere")]
    for number, (name, environment) in enumerate(names):
        volume = Volume.from_name(
            name, environment_name=environment, create_if_missing=True, client=wire.client
        )
        async with wire.sandbox(volumes={"/vol": volume}) as sandbox:
            script = f"cat /vol/* 2>/dev/null; echo {number} > /vol/f{number}"
            seen = (await sandbox.run.aio("sh", "-c", script)).stdout
        assert seen == ("0\n" if number == 1 else ""), (name, environment)


async def volumes_are_where_they_were_asked_for(wire: Wire) -> None:
    """Each volume is at its own path, and can only be read where that was asked for."""
    one = Volume.from_name("one", create_if_missing=True, client=wire.client)
    two = Volume.from_name("two", create_if_missing=True, client=wire.client)
    async with wire.sandbox(volumes={"/a": one, "/b": two}) as sandbox:
        await sandbox.run.aio("sh", "-c", "echo one > /a/f; echo two > /b/f")
    async with wire.sandbox(volumes={"/b": one, "/a": two.read_only()}) as sandbox:
        script = "cat /a/f /b/f; for d in a b; do (: > /$d/new) 2>/dev/null || echo no; done"
        assert (await sandbox.run.aio("sh", "-c", script)).stdout == "two\none\nno\n"


async def deleted_volumes_are_gone(wire: Wire) -> None:
    """A volume that was deleted is not found; one of its name is new, and empty."""
    volume = Volume.from_name("brief", create_if_missing=True, client=wire.client)
    async with wire.sandbox(volumes={"/vol": volume}) as sandbox:
        await sandbox.filesystem.write_text.aio("one", "/vol/f")
    await Volume.objects.delete.aio("brief", client=wire.client)
    with pytest.raises(exceptions.NotFoundError):
        await Volume.from_name("brief", client=wire.client).hydrate.aio()
    again = Volume.from_name("brief", create_if_missing=True, client=wire.client)
    async with wire.sandbox(volumes={"/vol": again}) as sandbox:
        assert (await sandbox.run.aio("ls", "/vol")).stdout == ""


_PORT, _VOLUME = frozenset({Capability.PORT}), frozenset({Capability.VOLUME})
#: What each of these needs of an engine.
NEEDS: dict[Callable[[Wire], Awaitable[None]], frozenset[Capability]] = {
    tunnels_lead_to_their_ports: _PORT,
    tunnels_outlast_a_restore: _PORT | {Capability.SNAPSHOT},
    tunnels_end_with_their_sandbox: _PORT,
    aliases_lead_to_their_sandboxes: frozenset({Capability.SANDBOX_NETWORK, Capability.SNAPSHOT}),
    volumes_are_shared_by_name: _VOLUME,
    volumes_are_where_they_were_asked_for: _VOLUME,
    deleted_volumes_are_gone: _VOLUME,
}
