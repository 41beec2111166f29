"""An internet of this machine's own: a network in which every address that is asked for answers.

Two network namespaces and a cable between them. The gateway of an engine runs in one, as if that
were the machine; servers run in the other, which has many addresses.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
import pytest_asyncio

from pytest_sandbox.local import LocalEngine
from pytest_sandbox.local.engine.links import bare_python, gateway_link
from pytest_sandbox.local.kernel import namespaces
from pytest_sandbox.local.kernel.network import loopback, netlink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

T = TypeVar("T")

#: Of the machine in which the gateway runs: public ones, which are its own.
MACHINE, MACHINE6 = "93.184.216.34", "2606:2800:220:1::34"
_ROUTER, _ROUTER6 = "93.184.216.1", "2606:2800:220:1::1"
#: A public server.
PUBLIC, PUBLIC6 = "8.8.8.8", "2607:f8b0::8"
#: What answers, besides; the prefixes of `reach` and more.
_ANSWERING = (
    *("8.8.8.8/32", "9.9.9.9/32", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
    *("100.64.0.0/10", "169.254.0.0/16", "168.63.129.16/32", "192.0.0.0/24", "198.18.0.0/15"),
    *("203.0.113.0/24", "2607:f8b0::/32", "fd00::/8", "64:ff9b::/96", "2002::/16"),
    *("2001:db8::/32", "64:ff9b:1::/48", "fec0::/10", "2001:10::/28"),
    "::ffff:0:0:0/96",
)
_NEWLINK, _NEWADDR, _NEWROUTE, _SETLINK = 16, 20, 24, 19
_CREATE = netlink.NLM_F_CREATE | netlink.NLM_F_ACK


class NetworkNamespace:
    """A network namespace, and a thread in it."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self.fd = self.run(self._enter)

    @staticmethod
    def _enter() -> int:
        namespaces.unshare(namespaces.CLONE_NEWNET)
        loopback.bring_up()
        return os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)

    def run(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function in there."""
        return self._thread.submit(function, *args).result()

    def close(self) -> None:
        self._thread.shutdown()
        os.close(self.fd)


class Internet:
    """The two namespaces; what listens in the second one.

    Attributes:
        machine: where the gateway runs.
        outside: where servers run.
    """

    def __init__(self) -> None:
        self.machine, self.outside = NetworkNamespace(), NetworkNamespace()
        self._open = contextlib.ExitStack()
        self.machine.run(_lay_cable, self.outside.fd)
        for where, addresses in (
            (self.outside, (_ROUTER, _ROUTER6)),
            (self.machine, (MACHINE, MACHINE6)),
        ):
            for address in addresses:
                where.run(_add_address, address)
            where.run(_bring_up)
        self.machine.run(_add_default, _ROUTER)
        self.machine.run(_add_default, _ROUTER6)
        for network in _ANSWERING:
            self.outside.run(_answer_for, network)

    def serve(
        self, handler: Callable[[socket.socket], None], *, inside: bool = False, port: int = 0
    ) -> int:
        """Serve each connection in a thread, on all addresses; the port.

        Args:
            handler: is given the connection, and closes it.
            inside: whether the server is on the machine instead.
            port: 0 for a free one.
        """
        where = self.machine if inside else self.outside
        listener = where.run(self._listener, port)
        self._open.callback(listener.close)
        # What closes it does not wake a thread that accepts: accept(2) holds it.
        self._open.callback(listener.shutdown, socket.SHUT_RDWR)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    threading.Thread(target=_handle, args=(handler, peer), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return int(listener.getsockname()[1])

    @staticmethod
    def _listener(port: int) -> socket.socket:
        return socket.create_server(
            ("::", port), family=socket.AF_INET6, backlog=500, dualstack_ipv6=True
        )

    def close(self) -> None:
        self._open.close()
        self.machine.close()
        self.outside.close()


def _handle(handler: Callable[[socket.socket], None], peer: socket.socket) -> None:
    with contextlib.suppress(OSError), peer:
        handler(peer)


@contextlib.contextmanager
def internet(monkeypatch: pytest.MonkeyPatch) -> Iterator[Internet]:
    """An internet in which gateways that start meanwhile live."""
    if os.geteuid() != 0:
        pytest.skip("needs root, who may make network namespaces")
    try:
        made = Internet()
    except PermissionError as error:  # root of a container may not
        pytest.skip(f"needs root, who may make network namespaces: {error}")
    # The thread waits for the gateway: a child of one that has ended would be killed.
    monkeypatch.setattr(
        gateway_link, "launch", lambda *args: made.machine.run(bare_python.launch, *args)
    )
    try:
        yield made
    finally:
        made.close()


def with_names(monkeypatch: pytest.MonkeyPatch, names: dict[str, list[str]]) -> None:
    """Let gateways that start from now on know these names, and no others."""
    change = (
        f"from pytest_sandbox.local.gateway import lookups as the; names = {names!r}\n"
        "the.addresses_of = lambda name: [the.plain(one) for one in names.get(name, [])]"
    )
    changed(monkeypatch, change)


def changed(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """Let gateways that start from now on be changed by a line of Python."""
    bootstrap = bare_python._BOOTSTRAP
    text = change.replace("{", "{{").replace("}", "}}")
    monkeypatch.setattr(bare_python, "_BOOTSTRAP", bootstrap.replace("main()", f"{text}\nmain()"))


@pytest.fixture(scope="module")
def outside(request: pytest.FixtureRequest) -> Iterator[Internet]:
    """An internet for the tests of a module.

    Gateways know its `NAMES`, and its `serve` is called with the internet, if it has these.
    """
    with pytest.MonkeyPatch.context() as patch, internet(patch) as made:
        if hasattr(request.module, "NAMES"):
            with_names(patch, request.module.NAMES)
        if hasattr(request.module, "serve"):
            request.module.serve(made)
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def networked(outside: Internet) -> AsyncIterator[LocalEngine]:
    """An engine whose gateway is in there."""
    engine = LocalEngine()
    await engine.start()
    yield engine
    await engine.close()


@pytest_asyncio.fixture(loop_scope="module")
async def unprotected(
    outside: Internet, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncIterator[LocalEngine]:
    """The same with a gateway that was changed, as the parameter says."""
    modules = (
        "from pytest_sandbox._shared.network import reach\n"
        "from pytest_sandbox.local.gateway import outlet\n"
        "from pytest_sandbox.local.kernel.network import own_addresses"
    )
    changed(monkeypatch, f"{modules}\n{request.param}")
    engine = LocalEngine()
    await engine.start()
    yield engine
    await engine.close()


def without(change: str) -> pytest.MarkDecorator:
    """Have `unprotected` be changed by a line of Python."""
    return pytest.mark.parametrize("unprotected", [change], indirect=True, ids=["off"])


def echo(peer: socket.socket) -> None:
    """Send back what comes, and a full stop at the end."""
    while data := peer.recv(1 << 16):
        peer.sendall(data)
    peer.sendall(b".")


def _link(kind: int, name: bytes, attributes: bytes = b"", index: int = 0, flags: int = 0) -> None:
    body = struct.pack("=BxHiII", 0, 0, index, flags, flags)
    if name:
        body += netlink.attribute(3, name + b"\0")  # IFLA_IFNAME
    request = netlink.message(kind, _CREATE, body + attributes)
    netlink.ask(socket.NETLINK_ROUTE, request, "link")


def _lay_cable(other: int) -> None:
    """A pair of interfaces, each called `wire`: the second one in another namespace."""
    peer = struct.pack("=BxHiII", 0, 0, 0, 0, 0)
    peer += netlink.attribute(3, b"wire\0") + netlink.attribute(28, struct.pack("=I", other))
    data = netlink.nested(2, netlink.attribute(1, peer))  # IFLA_INFO_DATA, VETH_INFO_PEER
    info = netlink.nested(18, netlink.attribute(1, b"veth\0"), data)  # IFLA_LINKINFO
    _link(_NEWLINK, b"wire", info)


def _bring_up() -> None:
    _link(_NEWLINK, b"", index=socket.if_nametoindex("wire"), flags=1)


def _add_address(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address)
    length = 64 if ":" in address else 24
    no_detection = 2  # IFA_F_NODAD
    body = struct.pack("=BBBBI", family, length, no_detection, 0, socket.if_nametoindex("wire"))
    body += netlink.attribute(2, packed) + netlink.attribute(1, packed)
    netlink.ask(socket.NETLINK_ROUTE, netlink.message(_NEWADDR, _CREATE, body), address)


def _add_default(gateway: str) -> None:
    family = socket.AF_INET6 if ":" in gateway else socket.AF_INET
    # RT_TABLE_MAIN, RTPROT_BOOT, RT_SCOPE_UNIVERSE, RTN_UNICAST
    body = struct.pack("=8BI", family, 0, 0, 0, 254, 3, 0, 1, 0)
    body += netlink.attribute(5, socket.inet_pton(family, gateway))
    netlink.ask(socket.NETLINK_ROUTE, netlink.message(_NEWROUTE, _CREATE, body), gateway)


def _answer_for(network: str) -> None:
    address, _, length = network.partition("/")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # RT_TABLE_LOCAL, RTPROT_BOOT, and RT_SCOPE_HOST for IPv4, RTN_LOCAL
    scope = 254 if family == socket.AF_INET else 0
    body = struct.pack("=8BI", family, int(length), 0, 0, 255, 3, scope, 2, 0)
    body += netlink.attribute(1, socket.inet_pton(family, address))
    body += netlink.attribute(4, struct.pack("=I", socket.if_nametoindex("lo")))
    netlink.ask(socket.NETLINK_ROUTE, netlink.message(_NEWROUTE, _CREATE, body), network)
