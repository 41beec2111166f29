"""Listening sockets: what comes over them is sent at once."""

import asyncio
import gc
import socket
import ssl
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from grpclib import GRPCError
from grpclib.client import Channel
from grpclib.exceptions import StreamTerminatedError

from pytest_sandbox._proto.apps_pb2 import AppGetOrCreateRequest
from pytest_sandbox._proto.common_pb2 import (
    OBJECT_CREATION_TYPE_CREATE_IF_MISSING as CREATE_IF_MISSING,
)
from pytest_sandbox._proto.control_grpc import ModalClientStub
from pytest_sandbox.engine import EngineUnavailable
from pytest_sandbox.server.application import Application
from pytest_sandbox.server.certificates import CertificateFiles
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
async def test_what_others_can_reach_speaks_tls_only(tmp_path: Path) -> None:
    engine = GatedEngine()
    app = Application(engine, await engine.start())
    listeners = Listeners(app)
    tcp = await listeners.remote("127.0.0.1", 0, tmp_path / "ca")
    url = urlsplit(tcp.url)
    assert (url.scheme, tcp.router_tls_url, url.hostname) == ("https", tcp.url, "127.0.0.1")
    trusts = ssl.create_default_context(cafile=tcp.ca_file)
    trusts.set_alpn_protocols(["h2"])
    request = AppGetOrCreateRequest(app_name="a", object_creation_type=CREATE_IF_MISSING)

    async with Channel(url.hostname, url.port, ssl=trusts) as channel:
        stub = ModalClientStub(channel)
        with pytest.raises(GRPCError, match="MODAL_TOKEN_ID"):
            await stub.AppGetOrCreate(request)
        token = {"x-modal-token-id": tcp.token_id, "x-modal-token-secret": tcp.token_secret}
        assert (await stub.AppGetOrCreate(request, metadata=token)).app_id.startswith("ap-")
    assert (await app.state.transfers.put_url("0" * 64)).startswith("https://127.0.0.1:")
    async with Channel(url.hostname, url.port) as channel:
        with pytest.raises((OSError, StreamTerminatedError)):
            await ModalClientStub(channel).AppGetOrCreate(request)
    listeners.close()
    await app.close()


@pytest.mark.asyncio
async def test_others_are_not_served_without_a_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    engine = GatedEngine()
    app = Application(engine, await engine.start())

    with pytest.raises(EngineUnavailable, match="has to speak TLS"):
        await Listeners(app).tcp("192.0.2.1", 0, tmp_path / "ca")
    await app.close()


#: Some key in PEM, encrypted: OpenSSL asks a terminal for its password unless one is given.
ENCRYPTED = """-----BEGIN RSA PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,00000000000000000000000000000000

AAAA
-----END RSA PRIVATE KEY-----
"""


@pytest.mark.parametrize(
    ("certificate", "key", "words"),
    [
        (None, None, "--certificate .*/certificate: No such file or directory"),
        ("x", None, "--key .*/key: No such file or directory"),
        ("x", "x", "--certificate .* and --key .* are no certificate and its key"),
        ("made", "x", "are no certificate and its key"),
        ("made", ENCRYPTED, "are no certificate and its key"),
    ],
)
def test_files_that_are_no_certificate(
    tmp_path: Path, certificate: str | None, key: str | None, words: str
) -> None:
    trustme = pytest.importorskip("trustme")
    files = CertificateFiles(str(tmp_path / "certificate"), str(tmp_path / "key"))
    if certificate == "made":
        made = trustme.CA().issue_cert("localhost")
        certificate = made.cert_chain_pems[0].bytes().decode()
    for path, content in ((files.certificate, certificate), (files.key, key)):
        if content is not None:
            Path(path).write_text(content)

    with pytest.raises(EngineUnavailable, match=words):
        files.context("h2")


@pytest.mark.asyncio
async def test_a_tunnel_sends_small_messages_at_once() -> None:
    server = await asyncio.start_server(answer, sock=plain_listener())
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    await reader.read(1)

    sock = accepted(writer.get_extra_info("sockname"))

    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    await closed(writer, sock)
    server.close()
