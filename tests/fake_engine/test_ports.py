"""Ports that tests script, and that scripted commands listen on."""

import asyncio

import pytest

from pytest_sandbox.engine import Connection, InvalidSpec, ProcessSpec, TaskSpec
from pytest_sandbox.fakes import ANY, Call, FakeEngine, MemoryTask, Peer, VirtualClock

from .conftest import run

pytestmark = pytest.mark.asyncio


async def rest(connection: Connection) -> bytes:
    data = b""
    while more := await connection.read(65536):
        data += more
    return data


async def ask(task: MemoryTask, port: int, data: bytes = b"") -> bytes:
    """What comes back for what is sent, to the end."""
    connection = await task.connect(port)
    await connection.write(data)
    await connection.end()
    answer = await rest(connection)
    await connection.close()
    return answer


async def test_a_reply_is_sent_and_the_connection_ends(
    engine: FakeEngine, task: MemoryTask
) -> None:
    engine.on_connect(8000).reply("hello\n")
    assert await ask(task, 8000) == b"hello\n"
    assert engine.unused == []


async def test_the_last_script_wins_and_gives_way_when_used_up(
    engine: FakeEngine, task: MemoryTask
) -> None:
    engine.on_connect(ANY).reply("any")
    engine.on_connect(80).reply("one").times(2)
    assert [await ask(task, port) for port in (80, 81, 80, 80)] == [b"one", b"any", b"one", b"any"]


async def test_a_handler_talks_and_sees_the_files(engine: FakeEngine, task: MemoryTask) -> None:
    async def handler(peer: Peer) -> str:
        while (line := await peer.readline()).endswith(b"\n"):
            peer.files.write(f"/srv/{peer.port}", line)
            await peer.write(line.upper())
        return f"and {line!r}"

    engine.on_connect(25).calls(handler)
    assert await ask(task, 25, b"one\ntwo\nthr") == b"ONE\nTWO\nand b'thr'"
    assert task.view.read_text("/srv/25") == "two\n"


async def test_a_plain_handler_is_given_everything_if_it_asks(
    engine: FakeEngine, task: MemoryTask
) -> None:
    def handler(peer: Peer) -> bytes:
        return peer.received[::-1]

    engine.on_connect(7).calls(handler, read=True)
    assert await ask(task, 7, b"x" * 200_000 + b"y") == b"y" + b"x" * 200_000


async def test_a_port_that_is_not_scripted_refuses_and_is_told_with_the_nearest(
    engine: FakeEngine, task: MemoryTask
) -> None:
    engine.on_connect(8000).times(1)
    await ask(task, 8000)
    for port in (8000, 9):
        with pytest.raises(ConnectionRefusedError, match=f"port {port} in the sandbox"):
            await task.connect(port)
    first, second = engine.problems
    assert first.startswith("unscripted connection: port 8000\n")
    assert first.endswith(", which is used up")
    assert "the nearest script is port 8000 (test_ports.py:" in second


async def test_a_port_that_is_to_refuse_is_no_problem(engine: FakeEngine, task: MemoryTask) -> None:
    engine.on_connect(8000).reply("up")
    engine.on_connect(8000).refuse().times(2)
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            await task.connect(8000)
    assert await ask(task, 8000) == b"up"
    assert engine.problems == engine.unused == []


async def test_a_handler_that_raises_breaks_the_connection_off_and_is_told(
    engine: FakeEngine, task: MemoryTask
) -> None:
    async def handler(peer: Peer) -> None:
        await peer.read()
        raise RuntimeError("no such luck")

    engine.on_connect(1).calls(handler)
    connection = await task.connect(1)
    await connection.write(b"x")
    with pytest.raises(ConnectionResetError):
        await rest(connection)
    with pytest.raises(ConnectionError):
        await connection.write(b"y")
    (problem,) = engine.problems
    assert problem.startswith("the handler of port 1 raised:\nTraceback")
    assert "no such luck" in problem


async def test_a_client_that_goes_is_no_problem(engine: FakeEngine, task: MemoryTask) -> None:
    async def handler(peer: Peer) -> None:
        await peer.write(b"x" * 10_000_000)

    engine.on_connect(1).calls(handler)
    connection = await task.connect(1)
    await connection.read(1)
    await connection.close()
    await task.kill()
    assert engine.problems == []


async def test_an_error_that_the_client_is_not_to_blame_for_is_told(
    engine: FakeEngine, task: MemoryTask
) -> None:
    def handler(peer: Peer) -> None:
        assert not peer.gone
        raise ConnectionRefusedError("the database of the handler")

    engine.on_connect(1).calls(handler)
    with pytest.raises(ConnectionResetError):
        await ask(task, 1)
    assert "the database of the handler" in engine.problems[0]


async def test_a_delay_and_silence_end_with_the_sandbox(
    engine: FakeEngine, task: MemoryTask
) -> None:
    assert isinstance(engine.clock, VirtualClock)
    engine.on_connect(1).reply("late").delay(60)
    engine.on_connect(2).hang()
    slow, silent = await task.connect(1), await task.connect(2)
    await silent.write(b"anybody?")
    await engine.clock.advance(60)
    assert await rest(slow) == b"late"
    pending = asyncio.ensure_future(silent.read(1))
    await asyncio.sleep(0)
    await task.kill()
    assert await pending == b""


async def test_a_handler_that_ignores_the_end_is_told(engine: FakeEngine, task: MemoryTask) -> None:
    released = asyncio.Event()

    async def stubborn(peer: Peer) -> None:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:  # noqa: PERF203  what a stubborn handler does
                continue

    engine.on_connect(1).calls(stubborn)
    connection = await task.connect(1)
    await asyncio.sleep(0)
    await task.kill()
    assert await connection.read(1) == b""
    assert "the handler of port 1 still runs though" in engine.problems[0]
    released.set()


async def test_a_condition_chooses_and_unused_scripts_are_told(
    engine: FakeEngine, task: MemoryTask
) -> None:
    engine.on_connect(1).reply("off")
    engine.on_connect(1).where(lambda peer: peer.files.exists("/srv/on")).reply("on")
    hidden = engine.on_connect(2)
    engine.on_connect(2).optional()
    assert await ask(task, 1) == b"off"
    task.view.write("/srv/on", "")
    assert await ask(task, 1) == b"on"
    (unused,) = engine.unused
    assert unused.startswith(f"the script for {hidden} was used 0 times, not 1; port 2 (")


async def test_http_answers_every_request_of_a_connection(
    engine: FakeEngine, task: MemoryTask
) -> None:
    engine.on_connect(80).http(201, '{"ok": true}', {"Content-Type": "application/json"})
    asked = (
        b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n"
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        b"HEAD / HTTP/1.1\r\nConnection: close\r\n\r\nnot read"
    )
    answers = (await ask(task, 80, asked)).split(b"HTTP/1.1 201 Created\r\n")
    head, body = answers[1].split(b"\r\n\r\n")
    assert body == b'{"ok": true}'
    assert sorted(head.split(b"\r\n")) == [b"Content-Length: 12", b"Content-Type: application/json"]
    assert answers[2:] == [answers[1], answers[1].removesuffix(body)]


async def test_a_handler_answers_requests(engine: FakeEngine, task: MemoryTask) -> None:
    async def handler(peer: Peer) -> None:
        while request := await peer.request():
            if request.method == "POST":
                await peer.respond(body=request.body[::-1], headers={"X": request.headers["x"]})
            else:
                await peer.respond(404, f"no {request.target}\n")

    engine.on_connect(80).calls(handler)
    asked = (
        b"POST /r HTTP/1.1\r\nX: 1\r\nx: 2\r\nContent-Length: 3\r\n\r\nabcGET /n HTTP/1.1\r\n\r\n"
    )
    answer = await ask(task, 80, asked)
    assert b"HTTP/1.1 200 OK\r\n" in answer
    assert b"X: 1, 2\r\n\r\ncba" in answer
    assert answer.endswith(b"\r\n\r\nno /n\n")


@pytest.mark.parametrize(
    "asked",
    [
        b"hello\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nno header\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_told(engine: FakeEngine, task: MemoryTask, asked: bytes) -> None:
    engine.on_connect(80).http()
    with pytest.raises(ConnectionResetError):
        await ask(task, 80, asked)
    assert "ValueError" in engine.problems[0]


async def test_a_command_listens_while_it_runs(engine: FakeEngine, task: MemoryTask) -> None:
    async def serve(call: Call) -> None:
        async def echo(peer: Peer) -> None:
            while data := await peer.read():
                await peer.write(data)

        call.out(f"{call.listen(0, echo)}\n")
        await call.read_all()

    engine.on_exec("server").calls(serve)
    servers = [await task.exec(ProcessSpec(("server",))) for _ in range(2)]
    ports = [int(await server.stdout.read(0)) for server in servers]
    assert ports[0] != ports[1]
    assert [await ask(task, port, b"x") for port in ports] == [b"x", b"x"]
    open_ = await task.connect(ports[0])
    await servers[0].signal(15)
    assert await rest(open_) == b""
    with pytest.raises(ConnectionRefusedError):
        await task.connect(ports[0])
    assert await ask(task, ports[1], b"y") == b"y"


async def test_two_commands_cannot_listen_on_one_port(engine: FakeEngine, task: MemoryTask) -> None:
    async def serve(call: Call) -> None:
        call.listen(80, lambda peer: "served")
        await call.read_all()

    engine.on_exec("server").calls(serve)
    await task.exec(ProcessSpec(("server",)))
    assert b"port 80: Address already in use" in (await run(task, "server")).stderr
    assert await ask(task, 80) == b"served"
    other = await engine.create(TaskSpec())
    assert (await other.exec(ProcessSpec(("server",)))).poll() is None
    engine.on_connect(80).reply("by the test")
    assert await ask(task, 80) == b"by the test"


@pytest.mark.parametrize("port", [0, 65536, True, "80"])
async def test_what_is_no_port_is_refused(engine: FakeEngine, task: MemoryTask, port: int) -> None:
    for call in (engine.on_connect, engine._tasks[0].kernel.ports.connect):
        with pytest.raises(InvalidSpec, match=f"port {port!r} is not a number from 1 to 65535"):
            call(port)


async def test_an_action_is_said_once(engine: FakeEngine) -> None:
    with pytest.raises(ValueError, match=r"the script for port 1 \(.*\) has an action already"):
        engine.on_connect(1).reply("x").refuse()
    with pytest.raises(ValueError, match="999"):
        engine.on_connect(1).http(999)
