"""Checks of connections to ports inside, where `SERVER` listens, a program for `python3`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ... import Capability, Connection, Engine, InvalidSpec, Task, TaskEnded
from ..calls import connect
from ..support import a_task, equal, line, raises, soon, start

NEEDS = frozenset({Capability.PORT})

#: A server on a free port of the loopback interface, which it prints. Its argument says what it
#: does with each connection: `echo` sends back what comes, and at the end `.`; `talk` says `hello`
#: and ends the connection; `break` breaks it off; `deaf` takes it and never reads.
SERVER = """
import socket, struct, sys, threading
def echo(peer):
    while data := peer.recv(65536):
        peer.sendall(data)
    peer.sendall(b".")
    peer.close()
def talk(peer):
    peer.sendall(b"hello")
    peer.close()
def break_off(peer):
    peer.recv(1)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
peers = []
server = socket.create_server(("127.0.0.1", 0), backlog=100)
print(server.getsockname()[1], flush=True)
while True:
    peer, _ = server.accept()
    modes = {"echo": echo, "talk": talk, "break": break_off, "deaf": peers.append}
    threading.Thread(target=modes[sys.argv[1]], args=(peer,)).start()
"""


async def serve(task: Task, what: str = "echo") -> int:
    """The port of a server that does this with connections."""
    return int(await line(await start(task, "python3", "-c", SERVER, what)))


@asynccontextmanager
async def connected(task: Task, port: int) -> AsyncIterator[Connection]:
    """A connection for the length of a `with`."""
    connection = await soon(connect(task, port), f"connect({port})")
    try:
        yield connection
    finally:
        await soon(connection.close(), "close() of a connection")


async def rest(connection: Connection) -> bytes:
    """All that comes until the peer ends."""
    data = b""
    while more := await soon(connection.read(65536), "read()"):
        data += more
    return data


async def exactly(connection: Connection, size: int) -> bytes:
    """As many bytes, no matter in how many pieces."""
    data = b""
    while len(data) < size:
        more = await soon(connection.read(size - len(data)), "read()")
        assert more, f"the connection ended after {len(data)} of {size} bytes"
        data += more
    return data


async def check_both_ways(engine: Engine) -> None:
    """What is written reaches the server, and what it sends can be read."""
    async with a_task(engine) as task, connected(task, await serve(task)) as connection:
        for word in (b"one", b"\0two\r\n\xff", b"x" * 1000):
            await soon(connection.write(word), "write()")
            equal(await exactly(connection, len(word)), word, "what the server sent back")


async def check_the_end_of_what_we_write(engine: Engine) -> None:
    """After `end` the server sees the end of its input, and can still answer."""
    async with a_task(engine) as task, connected(task, await serve(task)) as connection:
        await soon(connection.write(b"one"), "write()")
        for _ in range(2):
            await soon(connection.end(), "end()")
        await raises(ConnectionError, connection.write(b"more"), "write() after end()")
        equal(await rest(connection), b"one.", "what the server sent")
        equal(await soon(connection.read(10), "read()"), b"", "a read() after the end")


async def check_the_end_of_what_the_server_writes(engine: Engine) -> None:
    """When the server ends the connection, reading gives what it sent, and then the end."""
    async with a_task(engine) as task, connected(task, await serve(task, "talk")) as connection:
        equal(await rest(connection), b"hello", "what the server sent")


async def check_a_connection_that_is_broken_off(engine: Engine) -> None:
    """When the server breaks a connection off, reading says so: that is not the end."""
    async with a_task(engine) as task, connected(task, await serve(task, "break")) as connection:
        await soon(connection.write(b"x"), "write()")
        await raises(ConnectionError, connection.read(10), "read() from a broken connection")


async def check_no_more_than_asked_for(engine: Engine) -> None:
    """`read` gives at most as many bytes as it is asked for, and loses none."""
    async with a_task(engine) as task, connected(task, await serve(task)) as connection:
        await soon(connection.write(b"0123456789"), "write()")
        await soon(connection.end(), "end()")
        seen = b""
        while more := await soon(connection.read(3), "read()"):
            assert len(more) <= 3, f"read(3) gave {more!r}"
            seen += more
        equal(seen, b"0123456789.", "what the server sent")


async def check_nothing_listens(engine: Engine) -> None:
    """A port that nothing listens on refuses, also after its server is gone."""
    async with a_task(engine) as task:
        server = await start(task, "python3", "-c", SERVER, "echo")
        port = int(await line(server))
        await raises(ConnectionRefusedError, connect(task, 1), "connect(1)")
        await soon(server.signal(9), "signal(SIGKILL)")
        await soon(server.wait(), "the end of a server")
        error = await raises(ConnectionRefusedError, connect(task, port), f"connect({port})")
        assert str(port) in str(error), f"the message does not name port {port}: {error}"


async def check_what_is_no_port(engine: Engine) -> None:
    """A number that is no port is refused with `InvalidSpec`, which shows it."""
    async with a_task(engine) as task:
        for port in (0, -1, 65536):
            error = await raises(InvalidSpec, connect(task, port), f"connect({port})")
            assert str(port) in str(error), f"the message does not show {port}: {error}"


async def check_much_data(engine: Engine) -> None:
    """Megabytes go both ways, whole and in order."""
    data = bytes(range(256)) * 16384
    async with a_task(engine) as task, connected(task, await serve(task)) as connection:

        async def send() -> None:
            await connection.write(data)
            await connection.end()

        sending = asyncio.ensure_future(send())
        seen = await rest(connection)
        await soon(sending, "write() of 4 MiB")
        equal((len(seen), seen == data + b"."), (len(data) + 1, True), "what the server sent")


async def check_many_connections(engine: Engine) -> None:
    """Many connections at once are each one's own."""
    async with a_task(engine) as task:
        port = await serve(task)

        async def one(number: int) -> None:
            async with connected(task, port) as connection:
                await soon(connection.write(b"%d" % number), "write()")
                await soon(connection.end(), "end()")
                equal(await rest(connection), b"%d." % number, f"connection {number}")

        await soon(asyncio.gather(*(one(number) for number in range(40))), "40 connections")


async def check_ports_are_private(engine: Engine) -> None:
    """A port of one task is none of another."""
    async with a_task(engine) as task, a_task(engine) as other:
        port = await serve(task)
        await raises(ConnectionRefusedError, connect(other, port), "connect() to another's port")


async def check_closing_a_connection(engine: Engine) -> None:
    """A connection can be closed again; the server continues."""
    async with a_task(engine) as task:
        port = await serve(task)
        connection = await soon(connect(task, port), "connect()")
        await soon(connection.write(b"one"), "write()")
        for _ in range(2):
            await soon(connection.close(), "close()")
        async with connected(task, port) as another:
            await soon(another.end(), "end()")
            equal(await rest(another), b".", "another connection")


async def check_after_the_end_there_is_no_way_in(engine: Engine) -> None:
    """After the end of a task `connect` raises `TaskEnded`, reading ends and writing fails."""
    async with a_task(engine) as task:
        port = await serve(task)
        connection = await soon(connect(task, port), "connect()")
        await soon(connection.write(b"one"), "write()")
        equal(await exactly(connection, 3), b"one", "what the server sent")
        pending = asyncio.ensure_future(connection.read(10))
        await soon(task.kill(), "kill() with a connection")
        equal(await soon(pending, "a read() that was under way"), b"", "a read() under way")
        equal(await soon(connection.read(10), "read()"), b"", "a read() after the end")
        await raises(ConnectionError, connection.write(b"two"), "write() after the end")
        await soon(connection.end(), "end() after the end")
        await soon(connection.close(), "close() after the end")
        await raises(TaskEnded, connect(task, port), "connect() after the end")


async def check_a_server_that_does_not_read(engine: Engine) -> None:
    """Writing waits for a server that does not read, and fails when the task ends."""
    async with a_task(engine) as task:
        connection = await soon(connect(task, await serve(task, "deaf")), "connect()")
        writing = asyncio.ensure_future(connection.write(bytes(64 * 2**20)))
        await soon(task.files.stat("/"), "another call meanwhile")
        assert not writing.done(), "64 MiB were written to a server that does not read"
        await soon(task.kill(), "kill()")
        await raises(ConnectionError, writing, "a write() under way when the task ends")
        await soon(connection.close(), "close()")
