"""Listening sockets: what comes over them is sent at once."""

import asyncio
import gc
import socket
from pathlib import Path

import pytest

from pytest_sandbox.server.application import Application
from pytest_sandbox.server.listeners import Listeners
from pytest_sandbox.server.tunnels.addresses import plain_listener

from .engines import GatedEngine


def accepted(client: tuple[str, int]) -> socket.socket:
    """The server's end of a connection."""
    for each in gc.get_objects():
        if type(each) is socket.socket and each.fileno() >= 0:
            try:
                if each.getpeername() == client:
                    return each
            except OSError:
                continue  # not connected
    raise AssertionError(f"no connection from {client}")


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"x")
    await reader.read()
    writer.close()


async def closed(writer: asyncio.StreamWriter, sock: socket.socket) -> None:
    """End a connection, and return when the server has."""
    writer.close()
    await writer.wait_closed()
    while sock.fileno() >= 0:  # noqa: ASYNC110 - no event tells of it
        await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_a_server_for_modal_clients_sends_small_messages_at_once(tmp_path: Path) -> None:
    engine = GatedEngine()
    app = Application(engine, await engine.start())
    listeners = Listeners(app)
    tcp = await listeners.tcp("127.0.0.1", 0, tmp_path / "ca")
    host, _, port = tcp.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    await reader.read(1)  # what HTTP/2 begins with: the connection is served

    sock = accepted(writer.get_extra_info("sockname"))

    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    await closed(writer, sock)
    listeners.close()
    await app.close()


@pytest.mark.asyncio
async def test_a_tunnel_sends_small_messages_at_once() -> None:
    server = await asyncio.start_server(answer, sock=plain_listener())
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    await reader.read(1)

    sock = accepted(writer.get_extra_info("sockname"))

    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    await closed(writer, sock)
    server.close()
