"""A client of frames, and a server that it connects to by a socket."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

from google.protobuf.message import Message
from grpclib import Status
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, Event, ResponseReceived, TrailersReceived
from h2.settings import SettingCodes

from pytest_sandbox.server import Application
from pytest_sandbox.server.rpc.auth import ListenerConfig
from pytest_sandbox.server.rpc.grpc_server import RpcServer

from .engines import GatedEngine
from .harness import UNIX

INPUT = "/modal.client.ModalClient/ContainerExecPutInput"


class Raw:
    """A client of frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.h2 = H2Connection(H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())

    def open(self, path: str, metadata: Mapping[str, str] | None = None) -> int:
        """Begin a call."""
        stream = self.h2.get_next_available_stream_id()
        headers = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "x"}
        headers |= {"te": "trailers", "content-type": "application/grpc", **(metadata or {})}
        self.h2.send_headers(stream, list(headers.items()))
        self.flush()
        return stream

    def announce(self, size: int, path: str = INPUT) -> int:
        """Begin a call with a message of so many bytes, of which the first one comes."""
        stream = self.open(path)
        self.h2.send_data(stream, b"\0" + struct.pack(">I", size) + b"x")
        self.flush()
        return stream

    def call(self, path: str, request: Message, metadata: Mapping[str, str] | None = None) -> int:
        """Make a call."""
        stream = self.open(path, metadata)
        data = request.SerializeToString()
        self.h2.send_data(stream, b"\0" + struct.pack(">I", len(data)) + data, end_stream=True)
        self.flush()
        return stream

    def widen(self) -> None:
        """Open all windows as far as they can be."""
        most = 2**31 - 1
        self.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: most})
        self.h2.increment_flow_control_window(most - self.h2.inbound_flow_control_window)
        self.flush()

    async def events(self) -> AsyncIterator[Event]:
        while data := await self.reader.read(65536):
            events = self.h2.receive_data(data)
            self.flush()
            for event in events:
                yield event

    async def status(self, stream: int) -> tuple[Status, str]:
        """How a call ends."""
        async for event in self.events():
            if isinstance(event, ResponseReceived | TrailersReceived) and event.stream_id == stream:
                headers = dict(cast("list[tuple[str, str]]", event.headers))
                if "grpc-status" in headers:
                    return Status(int(headers["grpc-status"])), headers.get("grpc-message", "")
            assert not isinstance(event, ConnectionTerminated)
        raise AssertionError("the connection was closed")

    async def answered(self) -> None:
        """Have the server work on all that was sent."""
        self.h2.ping(b"12345678")
        self.flush()
        async for event in self.events():
            if type(event).__name__ == "PingAckReceived":
                return

    async def closed(self) -> bool:
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionResetError:
            pass
        return True


class Listening:
    def __init__(
        self,
        app: Application,
        engine: GatedEngine,
        server: RpcServer,
        address: Path | tuple[str, int],
    ) -> None:
        self.app = app
        self.engine = engine
        self.server = server
        self.address = address
        self._open: list[Raw] = []

    async def connect(self, tls: ssl.SSLContext | None = None) -> Raw:
        if isinstance(self.address, Path):
            raw = Raw(*await asyncio.open_unix_connection(self.address))
        else:
            raw = Raw(*await asyncio.open_connection(*self.address, ssl=tls))
        self._open.append(raw)
        return raw

    def disconnect(self) -> None:
        for raw in self._open:
            raw.writer.close()


@asynccontextmanager
async def served(
    address: Path | None = None,
    config: ListenerConfig = UNIX,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Listening]:
    engine = GatedEngine()
    app = Application(engine, await engine.start())
    server = app.server(config, tls)
    if address is None:
        listening = socket.create_server(("127.0.0.1", 0))
        await server.start(sock=listening)
        listener = Listening(app, engine, server, listening.getsockname())
    else:
        await server.start(path=str(address))
        listener = Listening(app, engine, server, address)
    try:
        yield listener
    finally:
        listener.disconnect()
        server.close()
        await app.close()
        await server.wait_closed()
