"""Connections of scripted commands to hosts outside, which tests script too."""

import asyncio
from collections.abc import Coroutine
from ipaddress import ip_address
from typing import Any, TypeVar

import pytest

from pytest_sandbox.engine import (
    OPEN_NETWORK,
    ConnectionFault,
    InvalidSpec,
    Network,
    NetworkLog,
    ProcessSpec,
    TaskSpec,
)
from pytest_sandbox.fakes import ANY, Call, FakeEngine, MemoryTask, Peer, VirtualClock, settle

from .conftest import content, run

T = TypeVar("T")
#: What a host sends.
ANSWER = "y" * 1000

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def talks(engine: FakeEngine) -> None:
    """A command that sends a line to a host, and prints what comes back or the error."""

    async def talk(call: Call) -> str:
        _, host, port, *timeout = call.argv
        try:
            limit = float(timeout[0]) if timeout else None
            peer = await call.connect(host, int(port), timeout=limit)
            await peer.write("x" * 10)
            peer.end()
            return (await peer.read_all()).decode()
        except OSError as error:
            return type(error).__name__

    engine.on_exec("talk", ...).calls(talk).optional()


async def passing(engine: FakeEngine, work: Coroutine[Any, Any, T]) -> T:
    """Let time pass until something is done."""
    assert isinstance(engine.clock, VirtualClock)
    task = asyncio.ensure_future(work)
    await settle()
    while not task.done():
        engine.clock.jump()
        await settle()
    return task.result()


async def talk(engine: FakeEngine, network: Network | None, *words: str) -> tuple[str, NetworkLog]:
    task = await engine.create(TaskSpec(network=network, groups=frozenset({"g"})))
    output = await passing(engine, run(task, "talk", *words))
    await task.kill()
    return output.stdout.decode(), await task.network_log()


def verdicts(log: NetworkLog) -> list[tuple[str, str, str]]:
    return [(one.name or one.host, one.verdict, one.reason) for one in log.records]


async def test_a_host_answers_and_is_logged(engine: FakeEngine) -> None:
    async def handler(peer: Peer) -> str:
        return f"{peer.host} {peer.port} {len(await peer.read_all())}"

    engine.on_connect_to("example.com", 443).calls(handler)
    output, log = await talk(engine, OPEN_NETWORK, "example.com", "443")
    assert output == "example.com 443 10"
    (record,) = log.records
    assert (record.name, record.port, record.verdict) == ("example.com", 443, "allowed")
    assert (record.count, record.sent, record.received) == (1, 10, len(output))


async def test_without_a_network_there_is_no_way_out(engine: FakeEngine) -> None:
    engine.on_connect_to(ANY, ANY).reply("reached").optional()
    assert await talk(engine, None, "8.8.8.8", "80") == ("OSError", NetworkLog())
    assert await talk(engine, None, "example.com", "80") == ("gaierror", NetworkLog())


@pytest.mark.parametrize(
    ("network", "host", "port", "outcome", "reason"),
    [
        (OPEN_NETWORK, "10.1.2.3", "80", "ConnectionResetError", "it is private"),
        (OPEN_NETWORK, "::ffff:169.254.169.254", "80", "ConnectionResetError", "it is link-local"),
        (OPEN_NETWORK, "private.example", "80", "ConnectionResetError", "it is private"),
        (Network(("10.0.0.0/8",)), "10.1.2.3", "80", "reached", ""),
        (Network(("10.0.0.0/8",)), "8.8.8.8", "80", "ConnectionResetError", "no network that"),
        (Network(("8.8.8.8/32",)), "a.example", "80", "gaierror", "no domain that"),
        (Network(domains=("*.example",)), "a.example", "443", "reached", ""),
        (Network(domains=("a.example",)), "b.example", "443", "gaierror", "no domain that"),
        (Network(domains=("a.example",)), "a.example", "80", "ConnectionResetError", "no network"),
        (Network(domains=("*",)), "8.8.8.8", "443", "ConnectionResetError", "it is not TLS"),
        (Network(domains=("*",)), "private.example", "443", "ConnectionResetError", "it is priv"),
    ],
)
async def test_what_the_network_allows(
    engine: FakeEngine, network: Network, host: str, port: str, outcome: str, reason: str
) -> None:
    engine.on_connect_to(ANY, ANY).reply("reached").optional()
    engine.on_connect_to("private.example", ANY, address="10.9.9.9").reply("reached").optional()
    output, log = await talk(engine, network, host, port)
    assert output == outcome
    (record,) = log.records
    assert record.reason.startswith(reason)
    assert (record.verdict == "allowed") == (not reason)


async def test_another_network_resets_what_it_does_not_allow(engine: FakeEngine) -> None:
    engine.on_connect_to("8.8.8.8", 80).hang()
    task = await engine.create(TaskSpec(network=OPEN_NETWORK))
    process = await task.exec(ProcessSpec(("talk", "8.8.8.8", "80")))
    await settle()
    await task.set_network(Network(("9.9.9.9/32",)))
    assert await content(process.stdout) == b"ConnectionResetError"
    assert [one.verdict for one in (await task.network_log()).records] == ["allowed", "denied"]


async def test_hosts_that_are_not_scripted_are_told_with_the_nearest(engine: FakeEngine) -> None:
    engine.on_connect_to("a.example", 80).times(1)
    assert (await talk(engine, OPEN_NETWORK, "a.example", "81"))[0] == "ConnectionRefusedError"
    assert (await talk(engine, OPEN_NETWORK, "b.example", "80"))[0] == "gaierror"
    first, second = engine.problems
    assert first.startswith("unscripted connection: a.example port 81\nthe nearest script is a.ex")
    assert second.startswith("unscripted connection: b.example\n")
    (unused,) = engine.unused
    assert unused.startswith("the script for a.example port 80 (test_outward.py:")


async def test_a_script_refuses_and_gives_way(engine: FakeEngine) -> None:
    engine.on_connect_to("a.example", 80).reply("up")
    engine.on_connect_to("a.example", 80).refuse().times(1)
    first, log = await talk(engine, OPEN_NETWORK, "a.example", "80")
    assert (first, verdicts(log)) == (
        "ConnectionRefusedError",
        [("a.example", "failed", "ECONNREFUSED")],
    )
    assert (await talk(engine, OPEN_NETWORK, "a.example", "80"))[0] == "up"


async def test_its_own_ports_are_reached_by_loopback(engine: FakeEngine, task: MemoryTask) -> None:
    engine.on_connect(8000).reply("own")
    for host in ("localhost", "127.0.0.1", "::1", "0.0.0.0"):
        assert (await run(task, "talk", host, "8000")).stdout == b"own"


async def fault(engine: FakeEngine, host: str, **fields: Any) -> tuple[str, NetworkLog, int]:
    """What a program sees of a host that sends 1000 bytes, with a fault of it."""
    engine.on_connect_to("db.example", 5432).reply(ANSWER).optional()
    await engine.set_fault(ConnectionFault("f", host, group="g", **fields))
    output, log = await talk(engine, OPEN_NETWORK, "db.example", "5432", "60")
    return output, log, (await engine.fault_counts(["f"]))["f"][1]


@pytest.mark.parametrize(
    ("fields", "outcome", "reason"),
    [
        ({"effect": "refuse"}, "ConnectionRefusedError", "refused, by a planned fault"),
        ({"effect": "black hole"}, "TimeoutError", "not answered, by a planned fault"),
        ({"effect": "reset", "after_bytes": 100}, "ConnectionResetError", "reset, by a planned"),
        ({"effect": "reset"}, "ConnectionResetError", "reset, by a planned fault"),
        ({"delay": 61.0}, "TimeoutError", ""),
        ({"delay": 5.0}, ANSWER, ""),
        ({"effect": "refuse", "port": 80}, ANSWER, ""),
        ({"effect": "resolve"}, "gaierror", "there is no such name, by a planned fault"),
        ({"effect": "no answer"}, "gaierror", "the name server did not answer, by a planned"),
        # What is said of the name is denied, as it would be without a fault.
        ({"effect": "resolve", "addresses": ("10.0.0.1",)}, "ConnectionResetError", "it is priv"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_faults(
    engine: FakeEngine, fields: dict[str, Any], outcome: str, reason: str
) -> None:
    output, log, fired = await fault(engine, "db.example", **fields)
    assert output == outcome
    assert fired == ("port" not in fields)
    assert log.records[0].reason.startswith(reason)
    await engine.clear_faults(["f"])
    assert (await talk(engine, OPEN_NETWORK, "db.example", "5432"))[0] == ANSWER


async def test_a_reset_comes_after_exactly_so_many_bytes(engine: FakeEngine) -> None:
    _, log, _ = await fault(engine, "*", effect="reset", after_bytes=100)
    assert [(one.verdict, one.received) for one in log.records] == [("failed", 100)]


async def test_time_passes_on_the_clock_of_the_engine(engine: FakeEngine) -> None:
    begin = engine.clock.monotonic()
    await fault(engine, "db.example", delay=10.0)
    assert engine.clock.monotonic() - begin == 10
    await fault(engine, "db.example", effect="black hole")
    assert engine.clock.monotonic() - begin == 40


async def test_an_open_connection_is_reset(engine: FakeEngine) -> None:
    engine.on_connect_to("db.example", 5432).hang()
    task = await engine.create(TaskSpec(network=OPEN_NETWORK))
    process = await task.exec(ProcessSpec(("talk", "db.example", "5432")))
    await settle()
    await engine.set_fault(ConnectionFault("f", "db.example", effect="reset"))
    assert await content(process.stdout) == b"ConnectionResetError"


async def test_a_connection_whose_program_has_ended_uses_up_no_fault(engine: FakeEngine) -> None:
    """Not even while a delay holds back what the other side has sent."""

    async def send(call: Call) -> None:
        peer = await call.connect("db.example", 5432)
        await peer.write("x")
        peer.close()

    engine.on_exec("send").calls(send)
    engine.on_connect_to("db.example", 5432).reply(ANSWER)
    await engine.set_fault(ConnectionFault("g", "*", delay=60.0, times=1))
    task = await engine.create(TaskSpec(network=OPEN_NETWORK))
    await run(task, "send")
    await engine.set_fault(ConnectionFault("f", "*", nth=2, times=1, effect="reset"))
    assert await engine.fault_counts(["f"]) == {"f": (0, 0)}
    words = ("talk", "db.example", "5432")
    outcomes = [(await run(task, *words)).stdout.decode() for _ in range(2)]
    assert outcomes == [ANSWER, "ConnectionResetError"]


async def test_a_wrong_answer_leads_to_what_is_there(engine: FakeEngine) -> None:
    engine.on_connect_to("db.example", ANY).reply("db").optional()
    engine.on_connect_to("9.9.9.9", ANY).reply("other")
    await engine.set_fault(
        ConnectionFault("f", "db.example", effect="resolve", addresses=("9.9.9.9",))
    )
    assert (await talk(engine, OPEN_NETWORK, "db.example", "80"))[0] == "other"
    # The list allows the name, and not the address that it is said to have.
    only = Network(domains=("db.example",))
    output, log = await talk(engine, only, "db.example", "443")
    assert (output, log.records[0].verdict) == ("ConnectionResetError", "denied")


@pytest.mark.parametrize(
    ("host", "port", "address"),
    [("a b", 80, None), ("a", 0, None), ("a", 80, "b"), ("10.0.0.1/8", 80, None)],
)
async def test_what_makes_no_sense(
    engine: FakeEngine, host: str, port: int, address: str | None
) -> None:
    with pytest.raises(InvalidSpec):
        engine.on_connect_to(host, port, address=address)


async def test_names_are_resolved(engine: FakeEngine) -> None:
    engine.on_connect_to("*.example", ANY).optional()
    engine.on_connect_to("db.example", 5432, address="8.8.4.4").optional()

    async def resolve(call: Call) -> str:
        names = ("db.example", "DB.example.", "other.example", "other.example", "localhost")
        return " ".join([(await call.resolve(name))[0] for name in names])

    engine.on_exec("resolve").calls(resolve)
    task = await engine.create(TaskSpec(network=OPEN_NETWORK))
    first, second, third, fourth, last = (await run(task, "resolve")).stdout.decode().split()
    assert (first, second, last) == ("8.8.4.4", "8.8.4.4", "127.0.0.1")
    assert third == fourth
    assert ip_address(third).is_global


async def test_faults_of_an_open_connection_come_and_go(engine: FakeEngine) -> None:
    """The delay of one stays when another one is cleared, and a reset can be added to it."""

    async def ping(call: Call) -> str:
        peer = await call.connect("a.example", 7, timeout=30)
        times = []
        for _ in range(3):
            begin = engine.clock.monotonic()
            await peer.write("x")
            await peer.read(1)
            times.append(engine.clock.monotonic() - begin)
            await call.read(1)
        return str(times)

    async def echo(peer: Peer) -> None:
        while data := await peer.read(1):
            await peer.write(data)

    engine.on_exec("ping").calls(ping)
    engine.on_connect_to("a.example", 7).calls(echo)
    task = await engine.create(TaskSpec(network=OPEN_NETWORK))
    process = await task.exec(ProcessSpec(("ping",)))
    await settle()
    for fault_id in ("f", "g"):
        await engine.set_fault(ConnectionFault(fault_id, "a.example", delay=5.0))
    await process.write_stdin(b"1")
    await passing(engine, engine.clock.sleep(10))
    await engine.clear_faults(["g"])
    await process.write_stdin(b"2")
    await passing(engine, engine.clock.sleep(10))
    await process.close_stdin()
    assert await passing(engine, content(process.stdout)) == b"[0.0, 10.0, 5.0]"
