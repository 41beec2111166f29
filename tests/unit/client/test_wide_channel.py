"""The connection below the client."""

import asyncio
from pathlib import Path

import pytest
from grpclib.exceptions import StreamTerminatedError
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes

from pytest_sandbox._proto.apps_pb2 import AppGetOrCreateRequest
from pytest_sandbox._proto.control_grpc import ModalClientStub
from pytest_sandbox.client.transport.wide_channel import WideChannel

MUCH = 16 * 1024 * 1024


def greeting() -> bytes:
    """What a server says first that takes much, and then never reads."""
    connection = H2Connection(H2Configuration(client_side=False))
    connection.local_settings = type(connection.local_settings)(
        client=False, initial_values={SettingCodes.INITIAL_WINDOW_SIZE: 2 * MUCH}
    )
    connection.initiate_connection()
    connection.increment_flow_control_window(2 * MUCH)
    return connection.data_to_send()


@pytest.mark.asyncio
async def test_a_call_that_waits_to_be_sent_fails_with_its_connection(tmp_path: Path) -> None:
    writers: list[asyncio.StreamWriter] = []

    async def deaf(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(greeting())
        writers.append(writer)

    server = await asyncio.start_unix_server(deaf, tmp_path / "socket")
    channel = WideChannel(path=str(tmp_path / "socket"))
    call = ModalClientStub(channel).AppGetOrCreate
    protocol = await channel.__connect__()
    sent = asyncio.ensure_future(call(AppGetOrCreateRequest(app_name="x" * MUCH)))
    for _ in range(100):  # until the kernel takes no more, which nothing announces
        await asyncio.sleep(0.001)
    assert not protocol.connection.write_ready.is_set()
    waiting = asyncio.ensure_future(call(AppGetOrCreateRequest()))
    for _ in range(10):
        await asyncio.sleep(0)

    writers[0].transport.abort()

    for ended in (sent, waiting):
        with pytest.raises(StreamTerminatedError, match="Connection lost"):
            await asyncio.wait_for(ended, 30)
    channel.close()
    server.close()
    await server.wait_closed()
