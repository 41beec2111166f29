"""Planned faults of connections, in the gateway, with real servers."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from pytest_sandbox.engine import (
    OPEN_NETWORK,
    ConnectionFault,
    InvalidSpec,
    Membership,
    Network,
    ProcessSpec,
    Task,
    TaskSpec,
)
from pytest_sandbox.local import LocalEngine

from ..security.internet import PUBLIC, PUBLIC6, Internet, echo, internet, with_names
from .conftest import content
from .test_networks import READ, run, start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: A reset may come at any moment.
SEND = """
try:
    sock.sendall({!r})
    sock.shutdown(socket.SHUT_WR)
except OSError:
    sys.exit(print("ConnectionResetError"))
"""
ECHO = SEND.format(b"x") + READ
ASK = """
import socket, sys
try:
    found = socket.getaddrinfo(sys.argv[1], 80, type=socket.SOCK_STREAM)
    print(*sorted(info[4][0] for info in found))
except socket.gaierror as error:
    print(error.errno)
"""
ALLOWED = {"allowed.example": [PUBLIC], "other.example": ["9.9.9.9"]}


@pytest.fixture(scope="module")
def outside() -> Iterator[Internet]:
    with pytest.MonkeyPatch.context() as patch, internet(patch) as made:
        with_names(patch, ALLOWED)
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def networked(outside: Internet) -> AsyncIterator[LocalEngine]:
    engine = LocalEngine()
    await engine.start()
    yield engine
    await engine.close()


@pytest_asyncio.fixture(loop_scope="module")
async def task(networked: LocalEngine) -> AsyncIterator[Task]:
    made = await networked.create(TaskSpec(network=OPEN_NETWORK, groups=frozenset({"a"})))
    yield made
    await made.kill()
    await networked.clear_faults(["f", "g"])


async def fired(engine: LocalEngine, fault_id: str = "f") -> int:
    return (await engine.fault_counts([fault_id]))[fault_id][1]


async def ask(task: Task, name: str) -> str:
    process = await task.exec(ProcessSpec(("python3", "-I", "-c", ASK, name)))
    return (await content(process.stdout)).strip()


@pytest.mark.parametrize("host", ["*", PUBLIC, "8.8.0.0/16"])
async def test_refused_by_host_and_port(
    networked: LocalEngine, task: Task, outside: Internet, host: str
) -> None:
    port, other = outside.serve(echo), outside.serve(echo)
    await networked.set_fault(ConnectionFault("f", host, port=port, effect="refuse"))
    assert await run(task, ECHO, PUBLIC, port) == "ConnectionResetError"
    assert await run(task, ECHO, PUBLIC, other) == "x."
    assert await fired(networked) == 1
    first, _ = (await task.network_log()).records  # type: ignore[attr-defined]
    assert (first.verdict, first.reason) == ("failed", "refused, by a planned fault")
    await networked.clear_faults(["f"])
    assert await run(task, ECHO, PUBLIC, port) == "x."


async def test_reset_after_bytes(networked: LocalEngine, task: Task, outside: Internet) -> None:
    await networked.set_fault(ConnectionFault("f", PUBLIC, effect="reset", after_bytes=100))
    program = """
sock.sendall(b"x" * 5000)
got = 0
try:
    while data := sock.recv(7):
        got += len(data)
except ConnectionResetError:
    print("reset", got)
"""
    assert await run(task, program, PUBLIC, outside.serve(echo)) == "reset 100"
    (record,) = (await task.network_log()).records  # type: ignore[attr-defined]
    assert (record.verdict, record.count, record.received) == ("failed", 1, 100)


async def test_an_open_connection_is_reset(
    networked: LocalEngine, task: Task, outside: Internet
) -> None:
    program = "sock.sendall(b'abc'); print(sock.recv(3), flush=True)" + READ
    process = await start(task, program, PUBLIC, outside.serve(echo))
    async for _ in process.stdout.follow():
        break
    await networked.set_fault(ConnectionFault("f", PUBLIC, effect="reset", after_bytes=2))
    assert "ConnectionResetError" in await content(process.stdout)
    assert await fired(networked) == 1


async def test_faults_of_an_open_connection_come_and_go(
    networked: LocalEngine, task: Task, outside: Internet
) -> None:
    """The delay of one stays when another one is cleared; what it holds is passed on at its end."""
    program = """
def answer(seconds):
    sock.settimeout(seconds)
    sock.sendall(b"x")
    try:
        return sock.recv(1).decode()
    except TimeoutError:
        return "late"
print(answer(30), flush=True)
for _ in sys.stdin:
    print(answer(0.2), flush=True)
print(sock.recv(9).decode())
"""
    process = await start(task, program, PUBLIC, outside.serve(echo))
    lines = process.stdout.follow()
    assert await lines.__anext__() == b"x\n"
    await networked.set_fault(ConnectionFault("f", PUBLIC, delay=60.0))
    await networked.set_fault(ConnectionFault("g", PUBLIC, delay=60.0))
    await networked.clear_faults(["g"])
    await process.write_stdin(b"\n")
    assert await lines.__anext__() == b"late\n"
    await networked.clear_faults(["f"])
    await process.close_stdin()
    assert await lines.__anext__() == b"x\n"


async def test_a_connection_whose_program_has_ended_uses_up_no_fault(
    networked: LocalEngine, task: Task, outside: Internet
) -> None:
    """Not even while a delay holds back what the other side has sent."""
    port = outside.serve(echo)
    await networked.set_fault(ConnectionFault("g", PUBLIC, delay=60.0, times=1))
    assert await run(task, "sock.sendall(b'x')", PUBLIC, port) == ""
    # The kernel accepts a connection, which the gateway may see when the program is gone.
    while await networked.fault_counts(["g"]) != {"g": (1, 1)}:
        pass
    await networked.set_fault(ConnectionFault("f", PUBLIC, nth=2, times=1, effect="reset"))
    assert await networked.fault_counts(["f"]) == {"f": (0, 0)}
    outcomes = [await run(task, ECHO, PUBLIC, port) for _ in range(2)]
    assert outcomes == ["x.", "ConnectionResetError"]


async def test_what_comes_is_late(networked: LocalEngine, task: Task, outside: Internet) -> None:
    await networked.set_fault(ConnectionFault("f", PUBLIC, delay=0.1))
    await networked.set_fault(ConnectionFault("g", "*", delay=0.1))
    program = """
for _ in range(2):
    begin = time.monotonic()
    sock.sendall(b"x")
    sock.recv(1)
    print(time.monotonic() - begin >= 0.2)
"""
    port = outside.serve(echo)
    assert (await run(task, program, PUBLIC, port)).split() == ["True", "True"]
    assert await run(task, ECHO, PUBLIC, port) == "x."


async def test_a_black_hole(networked: LocalEngine, task: Task, outside: Internet) -> None:
    await networked.set_fault(ConnectionFault("f", PUBLIC, effect="black hole", times=1))
    port = outside.serve(echo)
    program = "sock.settimeout(0.3); sock.sendall(b'x')" + READ
    assert await run(task, program, PUBLIC, port) == "TimeoutError"
    assert await run(task, ECHO, PUBLIC, port) == "x."


async def test_the_nth_connection(networked: LocalEngine, task: Task, outside: Internet) -> None:
    await networked.set_fault(ConnectionFault("f", "*", nth=2, times=1, effect="refuse"))
    port = outside.serve(echo)
    outcomes = [await run(task, ECHO, host, port) for host in (PUBLIC, PUBLIC6, PUBLIC)]
    assert outcomes == ["x.", "ConnectionResetError", "x."]
    assert await networked.fault_counts(["f"]) == {"f": (3, 1)}


async def test_a_wrong_answer_of_the_name_server(networked: LocalEngine, task: Task) -> None:
    await networked.set_fault(
        ConnectionFault("f", "*.example", effect="resolve", addresses=("9.9.9.9", "::9"))
    )
    assert await ask(task, "allowed.example") == "9.9.9.9 ::9"
    await networked.set_fault(ConnectionFault("f", "allowed.example", effect="resolve"))
    assert await ask(task, "allowed.example") == "-2"  # EAI_NONAME
    assert await ask(task, "other.example") == "9.9.9.9"
    (record,) = (await task.network_log()).records  # type: ignore[attr-defined]
    assert record.reason == "there is no such name, by a planned fault"


async def test_a_name_server_that_does_not_answer(networked: LocalEngine, task: Task) -> None:
    await networked.set_fault(ConnectionFault("f", "allowed.example", effect="no answer"))
    program = "printf 'options timeout:1 attempts:1\\nnameserver 127.0.0.53\\n' > /etc/resolv.conf"
    await (await task.exec(ProcessSpec(("sh", "-c", program)))).wait()
    assert await ask(task, "allowed.example") == "-3"  # EAI_AGAIN
    assert await fired(networked) >= 2


async def test_a_wrong_answer_allows_nothing(
    networked: LocalEngine, task: Task, outside: Internet
) -> None:
    """Neither by its address, nor by a connection of TLS that says the name."""
    from ..security.test_names import hello

    port = outside.serve(echo, port=443)
    for address in ("10.1.2.3", "9.9.9.9"):
        await networked.set_fault(
            ConnectionFault("f", "allowed.example", effect="resolve", addresses=(address,))
        )
        narrow = await networked.create(TaskSpec(network=Network(domains=("allowed.example",))))
        for program in (ECHO, SEND.format(hello("allowed.example")) + READ):
            assert await run(narrow, program, "allowed.example", port) == "ConnectionResetError"
        verdicts = {one.verdict for one in (await narrow.network_log()).records}
        assert verdicts == {"denied"}
        await narrow.kill()


async def test_only_sandboxes_of_its_group(
    networked: LocalEngine, task: Task, outside: Internet
) -> None:
    """One that was made ahead joins its groups when it is claimed."""
    await networked.set_fault(ConnectionFault("f", "*", group="b", effect="refuse"))
    spec = TaskSpec(network=OPEN_NETWORK)
    await networked.prepare(spec)
    other = await networked.create(TaskSpec(network=OPEN_NETWORK, groups=frozenset({"b"})))
    port = outside.serve(echo)
    assert await run(task, ECHO, PUBLIC, port) == "x."
    assert await run(other, ECHO, PUBLIC, port) == "ConnectionResetError"
    await other.kill()


async def test_a_successor_of_the_gateway_knows_the_faults(
    networked: LocalEngine, task: Task, outside: Internet
) -> None:
    port = outside.serve(echo)
    assert await run(task, ECHO, PUBLIC, port) == "x."
    await networked.set_fault(ConnectionFault("f", PUBLIC, effect="refuse"))
    gateway = networked.gateway.pid
    assert gateway is not None
    os.kill(gateway, signal.SIGKILL)
    assert await run(task, ECHO, PUBLIC, port) == "ConnectionResetError"
    assert networked.gateway.pid != gateway
    assert await fired(networked) == 1


@pytest.mark.parametrize(
    "fault",
    [
        ConnectionFault("f", "not a host"),
        ConnectionFault("f", "*", port=65536),
        ConnectionFault("f", "*", delay=float("inf")),
        ConnectionFault("f", "a.example", effect="resolve", addresses=("b.example",)),
        ConnectionFault("f", PUBLIC, effect="no answer"),
        ConnectionFault("f", "a.example", port=80, effect="no answer"),
    ],
    ids=lambda fault: f"{fault.host}",
)
async def test_faults_that_make_no_sense(networked: LocalEngine, fault: ConnectionFault) -> None:
    with pytest.raises(InvalidSpec):
        await networked.set_fault(fault)


async def test_between_sandboxes(networked: LocalEngine, task: Task) -> None:
    """By alias: the link is late, breaks after some bytes, leads nowhere, or is not there."""
    server = """
import socket
with socket.create_server(("127.0.0.1", 5432)) as listener:
    print("listening", flush=True)
    while True:
        sock, _ = listener.accept()
        sock.sendall(b"0123456789")
        sock.close()
"""
    groups = frozenset({"b"})
    db = await networked.create(TaskSpec(membership=Membership("net", ("db",))))
    app = await networked.create(TaskSpec(membership=Membership("net", ("app",)), groups=groups))
    serving = await db.exec(ProcessSpec(("python3", "-I", "-c", server)))
    async for _ in serving.stdout.follow():
        break

    async def outcome(**effect: Any) -> str:
        await networked.set_fault(ConnectionFault("f", "db", group="b", port=5432, **effect))
        return await run(app, "sock.settimeout(0.3)" + READ, "db", 5432)

    assert await outcome(effect="refuse") == "ConnectionResetError"
    assert await outcome(effect="black hole") == "TimeoutError"
    assert await outcome(effect="reset", after_bytes=4) == "ConnectionResetError"
    assert await outcome(delay=60.0) == "TimeoutError"
    assert await outcome(delay=0.01) == "0123456789"
    await networked.set_fault(ConnectionFault("f", "db", effect="resolve"))
    assert await ask(app, "db") == "-2"  # EAI_NONAME
    for made in (db, app):
        await made.kill()
