"""The way to Modal's servers: proxies, certificates, and networks that do not work."""

import asyncio
import itertools
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from google.protobuf.empty_pb2 import Empty
from grpclib import GRPCError, Status

from pytest_sandbox._shared.network import http_proxy
from pytest_sandbox._shared.network.http_proxy import (
    ProxyError,
    ProxyRefused,
    ProxyServer,
    connect_through,
    parse_proxy,
    proxy_to,
)
from pytest_sandbox.client import Sandbox
from pytest_sandbox.cloud import greeting
from pytest_sandbox.cloud.control import ControlPlane
from pytest_sandbox.cloud.transport import channel
from pytest_sandbox.cloud.transport.connections import Connections
from pytest_sandbox.cloud.transport.settings import CloudSettings
from pytest_sandbox.cloud.warnings_of_modal import CloudWarnings
from pytest_sandbox.engine import EngineUnavailable

from ..support.cloud import WireRecorder, running
from ..support.cloud.between import Between, between
from .conftest import settings_of

T = TypeVar("T")


def with_control(settings: CloudSettings, work: Callable[[ControlPlane], Awaitable[T]]) -> T:
    """Do something with the control plane, in a loop of its own."""

    async def run() -> T:
        control = ControlPlane(settings, CloudWarnings())
        try:
            return await work(control)
        finally:
            control.close()
            await asyncio.sleep(0)  # in which the connections end

    return asyncio.run(run())


def host_of(url: str) -> str:
    return url.removeprefix("https://")


def settings_at(*urls: str) -> CloudSettings:
    return CloudSettings(urls, "ak-cloud", "as-cloud", "", "1.6.4", "a test")


async def greeted(control: ControlPlane) -> None:
    await greeting.greet(control, CloudWarnings())


def refusal(settings: CloudSettings) -> EngineUnavailable:
    with pytest.raises(EngineUnavailable) as caught:
        with_control(settings, greeted)
    return caught.value


@pytest.fixture
def network() -> Iterator[Between]:
    """A proxy by which all connections go that are made from now on."""
    with between() as made, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{made.port}")
        yield made


@pytest.mark.parametrize(
    ("kind", "scheme", "variable"),
    [
        ("http", "http://some:pass%40word@", "https_proxy"),
        ("http", "http://", "ALL_PROXY"),
        ("socks", "socks5://some:pass%40word@", "HTTPS_PROXY"),
        ("socks", "socks5h://", "ALL_PROXY"),
    ],
)
def test_a_proxy_is_on_the_way_to_all_servers(
    run_in_cloud: Any, monkeypatch: pytest.MonkeyPatch, kind: str, scheme: str, variable: str
) -> None:
    with between(kind) as proxy:
        proxy.user = "some:pass@word" if "@" in scheme else ""
        monkeypatch.setenv(variable, f"{scheme}127.0.0.1:{proxy.port}")
        run = run_in_cloud()
        sandbox = Sandbox.create("cat", client=run.client)

        assert sandbox.run("echo", "hi").stdout == "hi\n"
        assert {*proxy.targets} == {host_of(run.cloud.url), host_of(run.cloud.router_url)}
        sandbox.terminate()


@pytest.mark.parametrize(
    "around", [{"NO_PROXY": "127.0.0.2,127.0.0.3"}, {"MODAL_DISABLE_API_PROXY": "1"}]
)
def test_a_proxy_can_be_gone_around(
    run_in_cloud: Any, monkeypatch: pytest.MonkeyPatch, around: dict[str, str]
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    for name, value in around.items():
        monkeypatch.setenv(name, value)
    run = run_in_cloud()

    assert Sandbox.create("cat", client=run.client).run("echo", "hi").stdout == "hi\n"


def test_who_looks_a_name_up() -> None:
    """With `socks5h`, and with HTTP, the proxy: names may be unknown here."""
    with between("socks") as socks, between("http") as http, running() as cloud:
        port = cloud.url.rpartition(":")[2]
        for proxy, scheme in ((socks, "socks5h"), (http, "http")):
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("SSL_CERT_FILE", str(cloud.ca_file))
                patch.setenv("HTTPS_PROXY", f"{scheme}://127.0.0.1:{proxy.port}")
                # It gets there, and its certificate is for another name.
                said = refusal(settings_at(f"https://cloud.test:{port}")).reason
            assert proxy.targets[0] == f"cloud.test:{port}"
            assert "Hostname mismatch" in said


def test_a_proxy_that_wants_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    with between() as proxy, running() as cloud:
        proxy.user = "some:word"
        monkeypatch.setenv("SSL_CERT_FILE", str(cloud.ca_file))
        monkeypatch.setenv("HTTPS_PROXY", f"http://some:secret@127.0.0.1:{proxy.port}")

        error = refusal(settings_of(cloud))

    assert "answered 'HTTP/1.1 407 who are you' for 127.0.0.2:" in error.reason
    assert "http://USER:PASSWORD@HOST:PORT" in error.reason
    assert "secret" not in str(error)
    assert "by HTTPS_PROXY: NO_PROXY names hosts" in error.remedy


def test_a_proxy_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "127.0.0.1:1")

    error = refusal(settings_at("https://127.0.0.2:1"))

    assert "the proxy http://127.0.0.1:1 cannot be reached: [Errno 111]" in error.reason
    assert "by all_proxy" in error.remedy


@pytest.mark.parametrize("url", ["https://u:p@host:1", "socks4://u:p@host:1", "http://u:p@host:x"])
def test_a_proxy_that_cannot_be_used(url: str) -> None:
    with pytest.raises(ProxyError, match="cannot be used: name one as") as caught:
        parse_proxy(url)
    assert "u:p" not in str(caught.value)


def test_a_proxy_never_leads_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert proxy_to("a.test") == ProxyServer("http", "127.0.0.1", 1)
    assert [proxy_to(host) for host in ("localhost", "127.0.0.1")] == [None, None]


def test_a_certificate_that_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with running() as cloud:
        error = refusal(settings_of(cloud))

    assert f"cannot connect to {cloud.url}: its certificate is not trusted: " in error.reason
    assert "in SSL_CERT_FILE; and see that the clock of this machine is right" in error.reason


def test_a_file_of_certificates_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/no/file")

    assert (
        "SSL_CERT_FILE='/no/file' cannot be used" in refusal(settings_at("https://a.test")).reason
    )


def test_the_second_server_is_used_if_the_first_does_not_answer() -> None:
    recorder = WireRecorder()
    with running(hooks=recorder) as cloud, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(cloud.ca_file))
        with_control(settings_at("https://127.0.0.1:1", cloud.url), greeted)

    assert recorder.calls[0].metadata["x-modal-host"] == "127.0.0.2"


def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is taken, and no TLS is spoken: the start says so before it is given up."""
    monkeypatch.setattr(channel, "CONNECT", 0.05)
    with socket.create_server(("127.0.0.2", 0)) as server:
        error = refusal(settings_at(f"https://127.0.0.2:{server.getsockname()[1]}"))

    assert "no answer in time" in error.reason
    monkeypatch.setattr(greeting, "_IN_ALL", 0.05)
    monkeypatch.setattr(channel, "CONNECT", 60.0)
    with socket.create_server(("127.0.0.2", 0)) as server:
        error = refusal(settings_at(f"https://127.0.0.2:{server.getsockname()[1]}"))

    assert "no answer within 0.05 seconds" in error.reason
    assert "status.modal.com" in error.remedy


def test_a_standstill_is_noticed_by_who_only_reads(
    network: Between, run_in_cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent on the connection while output is waited for, but signs of life."""
    monkeypatch.setattr(channel, "PING", 0.05)
    monkeypatch.setattr(channel, "PONG", 0.2)
    run = run_in_cloud()
    sandbox = Sandbox.create("cat", client=run.client)
    process = sandbox.exec("sh", "-c", "read line; echo $line")
    connections = len(network.targets)
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.append(process.stdout.read()))
    reader.start()
    run.cloud.hooks.wait_for("TaskExecStdioRead", 1)
    # More signs of life than are sent by default while nothing else is.
    reader.join(0.4)
    network.forwarding.clear()
    while len(network.targets) == connections:  # until another connection is tried
        reader.join(0.05)
    network.forwarding.set()
    process.stdin.write("on\n")
    process.stdin.write_eof()
    process.stdin.drain()
    reader.join()

    assert said == ["on\n"]
    assert process.wait() == 0


async def says_why(control: ControlPlane) -> GRPCError:
    with pytest.raises(GRPCError) as caught:
        await control.call("ClientHello", Empty(), timeout=0.05)
    return caught.value


def test_a_call_that_is_not_answered(network: Between, monkeypatch: pytest.MonkeyPatch) -> None:
    with running() as cloud:
        monkeypatch.setenv("SSL_CERT_FILE", str(cloud.ca_file))

        async def work(control: ControlPlane) -> GRPCError:
            await control.call("ClientHello", Empty())
            network.forwarding.clear()
            return await says_why(control)

        error = with_control(settings_of(cloud), work)
    assert (error.status, error.message) == (
        Status.DEADLINE_EXCEEDED,
        f"{cloud.url} gave no answer",
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://some:p4ss/word@host:3128",
        "http://some:12#p4ss@host:3128",
        "socks5://some:p4ss?@host",
        "http://some:p4ss\u2100@host:3128",
        "http://some:p4ss@[::1",
        f"socks5://some:{'p4ss' * 64}@host",
    ],
)
def test_a_password_that_spoils_the_address_of_a_proxy(url: str) -> None:
    """None of it is shown, nor is the beginning of the password taken for a port."""
    with pytest.raises(ProxyRefused, match="cannot be used") as caught:
        parse_proxy(url)
    assert "some" not in str(caught.value)
    assert "p4ss" not in str(caught.value)


def test_a_proxy_that_answers_slowly_has_no_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many bytes it sends, one by one."""
    now = itertools.count()
    clock = SimpleNamespace(monotonic=lambda: float(next(now)))
    monkeypatch.setattr(http_proxy, "real", clock)
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = ProxyServer("http", "127.0.0.1", server.getsockname()[1])
        server.settimeout(10)

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 " + b"x" * 1000)
                connection.recv(4096)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ProxyError, match=r"gave no way to a\.test:443: timed out"):
            connect_through(proxy, "a.test", 443, 20.0)
        thread.join()


async def opened(connections: Connections) -> None:
    async with connections.channel():
        pass


@pytest.mark.parametrize("kind", ["http", "socks5"])
def test_a_proxy_that_refuses_is_asked_once(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a worker that still starts is waited for."""
    with between(kind.rstrip("5")) as proxy:
        proxy.user = "some:word"
        monkeypatch.setenv("HTTPS_PROXY", f"{kind}://some:wrong@127.0.0.1:{proxy.port}")

        async def connect() -> str:
            connections = Connections(["https://127.0.0.2:1"], patience=310.0)
            with pytest.raises(GRPCError) as caught:
                await asyncio.wait_for(opened(connections), 5)
            return str(caught.value.message)

        said = asyncio.run(connect())
    assert "cannot connect to https://127.0.0.2:1: the proxy" in said
    assert "wrong" not in said


def test_a_proxy_that_leads_on_too_late_leaves_no_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_lead, is_closed = threading.Event(), asyncio.Event()

    def late(*_: object) -> SimpleNamespace:
        may_lead.wait(10)
        return SimpleNamespace(close=is_closed.set)

    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setattr(channel, "connect_through", late)
    monkeypatch.setattr(channel, "CONNECT", 0.01)

    async def connect() -> None:
        with pytest.raises(GRPCError, match="no answer in time"):
            await opened(Connections(["https://127.0.0.2:1"]))
        may_lead.set()
        await asyncio.wait_for(is_closed.wait(), 10)

    asyncio.run(connect())


def test_a_host_that_no_proxy_takes() -> None:
    with between("socks") as proxy:
        socks = ProxyServer("socks5h", "127.0.0.1", proxy.port)
        with pytest.raises(ProxyError, match="gave no way to"):
            connect_through(socks, f"{'a' * 64}.test", 443, 10.0)
        with pytest.raises(ProxyError, match="takes no host of"):
            connect_through(socks, "a." * 200 + "test", 443, 10.0)


def test_a_switch_for_proxies_that_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODAL_DISABLE_API_PROXY", "0")
    monkeypatch.setenv("HTTPS_PROXY", "127.0.0.1:1")

    assert "by HTTPS_PROXY" in refusal(settings_at("https://127.0.0.2:1")).remedy
