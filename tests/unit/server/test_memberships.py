"""Networks of sandboxes on the wire: who may have an alias, and what is refused."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from grpclib import Status

from pytest_sandbox._proto import extensions_pb2, sandboxes_pb2, snapshots_pb2
from pytest_sandbox._proto.extensions_grpc import ExtensionsStub
from pytest_sandbox.engine import Capability, Membership

from .engines import GatedEngine
from .harness import Harness, refused, serve


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Harness]:
    async with serve() as harness:
        yield harness


async def create(server: Harness, *aliases: str, network: str = "n", **fields: object) -> str:
    request = extensions_pb2.SandboxCreateInNetworkRequest(
        create=sandboxes_pb2.SandboxCreateRequest(
            app_id=await server.app_id(), definition=await server.definition(**fields)
        ),
        membership=extensions_pb2.SandboxMembership(network_id=network, aliases=aliases),
    )
    response = await ExtensionsStub(server.channel).SandboxCreateInNetwork(request)
    return response.sandbox_id


async def terminate(server: Harness, sandbox_id: str) -> None:
    request = sandboxes_pb2.SandboxTerminateRequest(sandbox_id=sandbox_id)
    await server.control.SandboxTerminate(request)


def allowlist(*domains: str) -> sandboxes_pb2.NetworkAccess:
    return sandboxes_pb2.NetworkAccess(
        network_access_type=sandboxes_pb2.NetworkAccess.ALLOWLIST, allowed_domains=domains
    )


@pytest.mark.asyncio
async def test_the_engine_is_told(server: Harness) -> None:
    await create(server, "db", "replica", "db")
    assert server.engine.tasks[-1].spec.membership == Membership("n", ("db", "replica"))
    await server.create("cat")
    assert server.engine.tasks[-1].spec.membership is None


@pytest.mark.asyncio
async def test_an_alias_is_free_again_after_the_end(server: Harness) -> None:
    first = await create(server, "db", "replica", name="first")
    await create(server, "db", network="another")
    with refused(Status.ALREADY_EXISTS, "'replica'", "'first'"):
        await create(server, "other", "replica")
    await terminate(server, first)
    await create(server, "other", "replica")


@pytest.mark.asyncio
async def test_of_two_at_once_one_gets_the_alias(server: Harness) -> None:
    results = await asyncio.gather(
        *(create(server, "db") for _ in range(3)), return_exceptions=True
    )
    assert [type(each) for each in results].count(str) == 1
    # One that failed has given it back.
    with refused(Status.INVALID_ARGUMENT, "'d b'"):
        await create(server, "spare", "d b")
    await create(server, "spare")


@pytest.mark.asyncio
async def test_a_name_of_a_list_is_no_alias(server: Harness) -> None:
    """Whichever comes first, also for another member; `*` says nothing about a name."""
    await create(server, "a.example", network_access=allowlist("*", "b.example"))
    for aliases, domains in ((["b.example"], []), (["c"], ["a.example"]), (["x.y"], ["*.y"])):
        with refused(Status.INVALID_ARGUMENT, "it can only mean one of them"):
            await create(server, *aliases, network_access=allowlist(*domains))
    await create(server, "b.example", network="another")


@pytest.mark.asyncio
async def test_what_makes_no_sense(server: Harness) -> None:
    with refused(Status.INVALID_ARGUMENT, "block_network"):
        await create(server, block_network=True)
    with refused(Status.INVALID_ARGUMENT, "network"):
        await create(server, network="")
    with refused(Status.INVALID_ARGUMENT, "'localhost'"):
        await create(server, "localhost")


@pytest.mark.asyncio
async def test_an_engine_without_them() -> None:
    engine = GatedEngine()
    async with serve(engine) as server:
        info = server.app.state.info
        lacking = info.capabilities - {Capability.SANDBOX_NETWORK}
        object.__setattr__(info, "capabilities", lacking)
        with refused(Status.UNIMPLEMENTED, "SandboxNetwork", "cannot see each other"):
            await create(server, "db")


@pytest.mark.asyncio
async def test_a_copy_is_in_the_network_that_it_is_given(server: Harness) -> None:
    """And in none if not; that of the original may still have its aliases."""
    original = await create(server, "db", enable_snapshot=True)
    request = snapshots_pb2.SandboxSnapshotRequest(sandbox_id=original)
    snapshot_id = (await server.control.SandboxSnapshot(request)).snapshot_id
    restore = snapshots_pb2.SandboxRestoreRequest(snapshot_id=snapshot_id)
    await server.control.SandboxRestore(restore)
    assert server.engine.tasks[-1].spec.membership is None
    extensions = ExtensionsStub(server.channel)
    wanted = extensions_pb2.SandboxRestoreInNetworkRequest(
        restore=restore,
        membership=extensions_pb2.SandboxMembership(network_id="n", aliases=["copy"]),
    )
    await extensions.SandboxRestoreInNetwork(wanted)
    assert server.engine.tasks[-1].spec.membership == Membership("n", ("copy",))
    wanted.membership.aliases[:] = ["db"]
    with refused(Status.ALREADY_EXISTS, "'db'"):
        await extensions.SandboxRestoreInNetwork(wanted)


@pytest.mark.asyncio
async def test_a_hint_knows_the_network(server: Harness) -> None:
    request = extensions_pb2.SandboxPrepareRequest(
        app_id=await server.app_id(),
        definition=await server.definition(),
        membership=extensions_pb2.SandboxMembership(network_id="n"),
    )
    await ExtensionsStub(server.channel).SandboxPrepare(request)
    assert server.engine.prepared[-1].membership == Membership("n")
