"""Faults of connections that clients set: for which sandboxes they are, and how they are told."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from grpclib import Status

from pytest_sandbox._proto import inspector_pb2 as pb
from pytest_sandbox._proto import sandboxes_pb2
from pytest_sandbox.fakes import ANY, Call, FakeEngine

from .harness import UNIX, Created, Harness, refused, serve

pytestmark = pytest.mark.asyncio


@dataclass
class Faulty:
    """A server over an engine in memory, in which a command `ask` connects to a host."""

    engine: FakeEngine
    server: Harness

    async def create(self, caller: str = "anybody") -> Created:
        access = sandboxes_pb2.NetworkAccess(
            network_access_type=sandboxes_pb2.NetworkAccess.ALLOWLIST, allowed_cidrs=["0.0.0.0/0"]
        )
        metadata = {"x-sandbox-caller": caller}
        return await self.server.create(metadata=metadata, network_access=access)

    async def ask(self, sandbox: Created) -> bytes:
        exec_id = await self.server.exec(sandbox, "ask")
        return await self.server.output(sandbox, exec_id)

    async def set(self, fault_id: str, caller: str = "", **fields: Any) -> None:
        connection = pb.ConnectionFault(**{"host": "*", "refuse": True, **fields})
        fault = pb.Fault(id=fault_id, caller=caller, connection=connection)
        await self.server.inspector.FaultSet(pb.InspectorFaultSetRequest(fault=fault))

    async def counts(self, *ids: str) -> list[tuple[str, int, int]]:
        request = pb.InspectorFaultListRequest(ids=ids)
        states = (await self.server.inspector.FaultList(request)).states
        return [(state.id, state.seen, state.fired) for state in states]


@pytest_asyncio.fixture
async def faulty() -> AsyncIterator[Faulty]:
    async def ask(call: Call) -> str:
        try:
            peer = await call.connect("a.example", 80)
            return (await peer.read_all()).decode()
        except OSError as error:
            return type(error).__name__

    engine = FakeEngine()
    engine.on_exec("ask").calls(ask)
    engine.on_connect_to(ANY, ANY).reply("up")
    async with serve(engine, UNIX) as server:
        yield Faulty(engine, server)


async def test_sandboxes_of_its_caller_are_affected(faulty: Faulty) -> None:
    """Those that are there, those that come, and no others; of no caller means of all."""
    mine, other = [await faulty.create(caller) for caller in ("gw0", "gw1")]
    await faulty.set("f", caller="gw0")
    later = await faulty.create("gw0")
    answers = [await faulty.ask(each) for each in (mine, other, later)]
    assert answers == [b"ConnectionRefusedError", b"up", b"ConnectionRefusedError"]
    assert await faulty.counts("f", "unknown") == [("f", 2, 2)]
    await faulty.server.inspector.FaultClear(pb.InspectorFaultClearRequest(ids=["f", "unknown"]))
    assert await faulty.counts("f") == []
    await faulty.set("all")
    assert [await faulty.ask(each) for each in (mine, other)] == [b"ConnectionRefusedError"] * 2


async def test_one_sandbox_is_affected(faulty: Faulty) -> None:
    first, second = await faulty.create(), await faulty.create()
    await faulty.set("f", sandbox_id=second.id)
    assert [await faulty.ask(each) for each in (first, second)] == [
        b"up",
        b"ConnectionRefusedError",
    ]
    with refused(Status.NOT_FOUND):
        await faulty.set("g", sandbox_id="sb-unknown")


async def test_effects_reach_the_engine(faulty: Faulty) -> None:
    sandbox = await faulty.create()
    for fields, answer in (
        ({"reset_after_bytes": 0}, b"ConnectionResetError"),
        ({"resolves_to": pb.ResolvedAddresses()}, b"gaierror"),
        ({"no_answer": True}, b"gaierror"),
        ({"resolves_to": pb.ResolvedAddresses(addresses=["9.9.9.9"])}, b"up"),
        ({"refuse": True, "port": 81}, b"up"),
        ({"refuse": True, "nth": 2}, b"up"),
    ):
        fault = pb.ConnectionFault(host="a.example", **fields)
        request = pb.InspectorFaultSetRequest(fault=pb.Fault(id="f", connection=fault))
        await faulty.server.inspector.FaultSet(request)
        assert await faulty.ask(sandbox) == answer, fields
        await faulty.server.inspector.FaultClear(pb.InspectorFaultClearRequest(ids=["f"]))


@pytest.mark.parametrize(
    "fields", [{"host": "a b"}, {"port": 70_000}, {"delay": -1.0}, {"delay": float("nan")}], ids=str
)
async def test_what_makes_no_sense_is_refused(faulty: Faulty, fields: dict[str, Any]) -> None:
    with refused(Status.INVALID_ARGUMENT):
        await faulty.set("f", **fields)
    assert await faulty.counts("f") == []
