"""Moves bytes between a client's socket and a port of a sandbox."""

import asyncio
import contextlib
import socket
import struct

from pytest_sandbox._shared.async_tasks import cancel_and_wait
from pytest_sandbox.engine import Connection

#: Bytes moved at a time. At most a few times that is under way in one direction: a writer waits for
#: a reader.
CHUNK = 64 * 1024
#: Seconds that a client has to read the rest once everything else is over.
DRAIN_TIMEOUT = 5.0


async def relay(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: Connection
) -> None:
    """Move bytes both ways until both have ended; then close both sides.

    The end of one direction is passed on while the other stays open, as with TCP; over TLS, asyncio
    ends both at once. An error on one side is passed on to the other.
    """
    up = asyncio.ensure_future(_up(reader, connection))
    down = asyncio.ensure_future(_down(connection, writer))
    try:
        await asyncio.gather(up, down)
        await close_gently(writer)
    except OSError:
        reset(writer.transport)
    finally:
        await cancel_and_wait(up, down)
        writer.transport.abort()
        await connection.close()


def reset(transport: asyncio.WriteTransport) -> None:
    """Close at once: with `SO_LINGER` of 0 s (socket(7)), the client gets `ECONNRESET`."""
    linger = struct.pack("ii", 1, 0)
    with contextlib.suppress(OSError):  # closed already
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()


async def _up(reader: asyncio.StreamReader, connection: Connection) -> None:
    while data := await reader.read(CHUNK):
        try:
            await connection.write(data)
        except ConnectionError:
            return  # what was received before is still to be delivered
        await asyncio.sleep(0)  # a fast connection does not block the event loop
    await connection.end()


async def _down(connection: Connection, writer: asyncio.StreamWriter) -> None:
    while data := await connection.read(CHUNK):
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(0)
    if writer.can_write_eof():
        writer.write_eof()
    else:
        writer.close()  # TLS: this ends the reader too


async def close_gently(writer: asyncio.StreamWriter) -> None:
    """Close once the client has read the rest, for which it has `DRAIN_TIMEOUT` seconds."""
    writer.close()
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(writer.wait_closed(), DRAIN_TIMEOUT)
