"""Connections to ports of a sandbox, with real listeners inside."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from pytest_sandbox.engine import (
    Connection,
    InvalidSpec,
    Process,
    ProcessSpec,
    TaskEnded,
    TaskSpec,
)
from pytest_sandbox.local import LocalEngine
from pytest_sandbox.local.agents import ports
from pytest_sandbox.local.engine.task import LocalTask

from .conftest import all_closed, descriptors, needs_root, processes, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

Listen = Callable[..., Awaitable[int]]
MIB = 1024 * 1024

#: What every program begins with: a listener on a port of the kernel's choice, told to us.
LISTEN = """
import socket, sys, threading
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
server = socket.create_server((sys.argv[1], 0), family=family, backlog=int(sys.argv[2]))
print(server.getsockname()[1], flush=True)
"""
ECHO = """
def serve(peer):
    while data := peer.recv(1 << 20):
        peer.sendall(data)
    peer.sendall(b"end")
    peer.close()
while True:
    threading.Thread(target=serve, args=(server.accept()[0],)).start()
"""
NEVER = "threading.Event().wait()"


@pytest_asyncio.fixture(loop_scope="module")
async def listen(task: LocalTask) -> AsyncIterator[Listen]:
    """`await listen(program, host, backlog)`: the port that a program inside listens on."""

    async def start(program: str, host: str = "127.0.0.1", backlog: int = 100) -> int:
        return await started(task, program, host, backlog)

    yield start


async def started(
    task: LocalTask, program: str, host: str = "127.0.0.1", backlog: int = 100
) -> int:
    argv = ("python3", "-I", "-c", LISTEN + program, host, str(backlog))
    process = await task.exec(ProcessSpec(argv))
    return int(await line(process))


def parent_of(*words: str) -> int:
    """PID 1 of a sandbox, as the machine knows it, by a process in there."""
    until(lambda: bool(processes(*words)), f"a process {words}")
    (pid,) = processes(*words)
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


async def line(process: Process) -> bytes:
    text = b""
    async for chunk in process.stdout.follow():
        text += chunk
        if text.endswith(b"\n"):
            return text
    raise AssertionError(b"".join([chunk async for chunk in process.stderr.follow()]))


async def all_of(connection: Connection) -> bytes:
    parts = []
    while data := await connection.read(MIB):
        parts.append(data)
    return b"".join(parts)


async def test_what_is_written_comes_back_and_the_end_is_seen(
    task: LocalTask, listen: Listen
) -> None:
    connection = await task.connect(await listen(ECHO))
    await connection.write(b"hello")
    assert await connection.read(100) == b"hello"
    await connection.end()
    assert await all_of(connection) == b"end"
    await connection.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::"])
async def test_any_address_that_loopback_reaches_will_do(
    task: LocalTask, listen: Listen, host: str
) -> None:
    connection = await task.connect(await listen(ECHO, host))
    await connection.end()
    assert await all_of(connection) == b"end"


async def test_a_port_without_a_listener_refuses(task: LocalTask) -> None:
    with pytest.raises(ConnectionRefusedError, match="port 9 in the sandbox: Connection refused"):
        await task.connect(9)


@pytest.mark.parametrize("port", [0, -1, 65536, True, "80"])
async def test_what_is_no_port_is_refused(task: LocalTask, port: int) -> None:
    with pytest.raises(InvalidSpec, match="is not a number from 1 to 65535"):
        await task.connect(port)


async def test_a_full_queue_times_out_and_delays_no_other(
    task: LocalTask, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "CONNECT_TIMEOUT", 0.5)
    port = await listen(NEVER, backlog=0)
    first = await task.connect(port)
    crowd = await asyncio.gather(*(task.connect(port) for _ in range(5)), return_exceptions=True)
    assert [str(outcome) for outcome in crowd if "did not accept within" in str(outcome)]
    assert all(isinstance(o, Connection | ConnectionRefusedError) for o in crowd)
    monkeypatch.undo()
    waiting = asyncio.ensure_future(task.connect(port))
    process = await task.exec(ProcessSpec(("true",)))  # PID 1 serves others meanwhile
    assert (await process.wait()).code == 0
    assert not waiting.done()
    waiting.cancel()
    await first.close()


async def test_a_listener_that_never_reads_makes_the_writer_wait(
    task: LocalTask, listen: Listen
) -> None:
    connection = await task.connect(await listen(NEVER))
    writing = asyncio.ensure_future(connection.write(bytes(64 * MIB)))
    await asyncio.wait([writing], timeout=0.3)
    assert not writing.done()
    await connection.close()
    with pytest.raises(BrokenPipeError):
        await writing


async def test_much_passes_both_ways_at_once(task: LocalTask, listen: Listen) -> None:
    connection = await task.connect(await listen(ECHO))
    block = bytes(range(256)) * 4096

    async def send() -> None:
        for _ in range(100):
            await connection.write(block)
        await connection.end()

    sending = asyncio.ensure_future(send())
    received = 0
    while data := await connection.read(MIB):
        offset = received % len(block)
        expected = (block + block)[offset : offset + len(data)]
        assert data == expected or received + len(data) == 100 * MIB + 3
        received += len(data)
    await sending
    assert received == 100 * MIB + 3


async def test_many_connections_at_once_do_not_mix(task: LocalTask, listen: Listen) -> None:
    port = await listen(ECHO)

    async def talk(number: int) -> bytes:
        connection = await task.connect(port)
        await connection.write(b"%d " % number * 1000)
        await connection.end()
        return await all_of(connection)

    answers = await asyncio.gather(*(talk(number) for number in range(50)))
    assert answers == [b"%d " % number * 1000 + b"end" for number in range(50)]


async def test_a_reset_is_told_from_an_end(task: LocalTask, listen: Listen) -> None:
    reset = """
peer = server.accept()[0]
peer.recv(1)
peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\\1\\0\\0\\0\\0\\0\\0\\0")
peer.close()
"""
    connection = await task.connect(await listen(reset))
    await connection.write(b"x")
    with pytest.raises(ConnectionResetError):
        await connection.read(1)


async def test_who_reads_sees_the_end_of_the_sandbox(engine: LocalEngine) -> None:
    task = await engine.create(TaskSpec())
    connection = await task.connect(await started(task, ECHO))
    await connection.write(b"x")
    assert await connection.read(1) == b"x"  # so it is accepted; others in the queue are reset
    reading = asyncio.ensure_future(connection.read(1))
    await asyncio.sleep(0)
    await task.kill()
    assert await reading == b""
    with pytest.raises(ConnectionError):
        await connection.write(b"x")
    await connection.end()
    await connection.close()
    with pytest.raises(TaskEnded):
        await task.connect(80)


async def test_what_had_arrived_outlives_the_sandbox(engine: LocalEngine) -> None:
    task = await engine.create(TaskSpec())
    connection = await task.connect(await started(task, ECHO))
    await connection.write(b"last words")
    assert await connection.read(1) == b"l"
    await task.kill()
    assert await all_of(connection) == b"ast words"


async def test_a_connection_under_way_ends_with_the_sandbox(engine: LocalEngine) -> None:
    task = await engine.create(TaskSpec())
    port = await started(task, NEVER, backlog=0)
    waiting = [asyncio.ensure_future(task.connect(port)) for _ in range(5)]
    process = await task.exec(ProcessSpec(("true",)))
    await process.wait()
    await task.kill()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert any(isinstance(outcome, TaskEnded) for outcome in outcomes)


@needs_root
async def test_connections_leave_nothing_in_pid_1(task: LocalTask, listen: Listen) -> None:
    port = await listen(NEVER)
    await task.exec(ProcessSpec(("sleep", "86401.5")))
    agent = parent_of("sleep", "86401.5")
    before = sorted(os.listdir(f"/proc/{agent}/fd"))
    connections = [await task.connect(port) for _ in range(20)]
    for _ in range(20):
        with pytest.raises(ConnectionRefusedError):
            await task.connect(9)
    # It closes its own right after it has sent the last one.
    until(lambda: sorted(os.listdir(f"/proc/{agent}/fd")) == before, "PID 1 has closed all")
    for connection in connections:
        await connection.close()


async def test_nothing_is_open_here_when_all_is_over(engine: LocalEngine) -> None:
    before = descriptors()
    task = await engine.create(TaskSpec())
    port = await started(task, ECHO)
    for _ in range(20):
        await task.connect(port)
        with pytest.raises(ConnectionRefusedError):
            await task.connect(9)
    leaving = [asyncio.ensure_future(task.connect(port)) for _ in range(20)]
    for turns, future in enumerate(leaving):
        for _ in range(turns):
            await asyncio.sleep(0)
        future.cancel()
    await asyncio.wait(leaving)
    await task.kill()
    await all_closed(before)
