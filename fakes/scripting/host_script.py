"""Scripts for hosts outside of sandboxes, which a test writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._shared.network.domains import canonical
from pytest_sandbox._shared.network.faults import host_matches, is_address, is_host
from pytest_sandbox._shared.network.reach import plain
from pytest_sandbox.engine import InvalidSpec

from ..network import resolving
from ..processes.connection import connected_ends
from ..processes.ports import Acceptor, check_port
from .connection_script import ConnectionScript
from .matching import Anything
from .peer import Peer

if TYPE_CHECKING:
    from pytest_sandbox._shared.network.connection_log import Destination
    from pytest_sandbox._shared.network.reach import Address

    from ..processes.process import KernelInterface


class HostScript(ConnectionScript):
    """What happens when a program connects to a host outside; made by `FakeEngine.on_connect_to`.

    Without anything further the host takes the connection and closes it.
    """

    def __init__(
        self, host: str | Anything, port: int | Anything, address: str | None, place: str
    ) -> None:
        super().__init__(place)
        self._host = "*" if isinstance(host, Anything) else host
        if not is_host(self._host):
            raise InvalidSpec(
                f"host {host!r} must be a name, '*.' and a name, an address, a network, or '*'"
            )
        if address is not None and not is_address(address):
            raise InvalidSpec(f"address {address!r} is not an address")
        self._port = None if isinstance(port, Anything) else check_port(port)
        self._address = None if address is None else plain(address)

    @property
    def title(self) -> str:
        """What it is for."""
        return f"{self._host} port {'ANY' if self._port is None else self._port}"

    # What the engine asks.

    def address_of(self, kernel: KernelInterface, name: str) -> Address | None:
        """The address of a name; `None` if the script is for another one."""
        if not host_matches(self._host, "", name) or not self.holds_in(kernel):
            return None
        return self._address or resolving.made_up_address(canonical(name))

    def matches(self, kernel: KernelInterface, target: Destination) -> bool:
        """Whether it is for a connection of a sandbox."""
        if self._port not in (None, target.port):
            return False
        # A name that led to another address than its own leads to what is there.
        name = target.name
        if name and self.address_of(kernel, name) != plain(target.host):
            name = ""
        if not host_matches(self._host, target.host, name):
            return False
        shown = name or target.host
        return self.holds(kernel, lambda: Peer(kernel, target.port, connected_ends()[0], shown))

    def accept(self, kernel: KernelInterface, target: Destination) -> Acceptor:
        """What serves a connection.

        Raises:
            ConnectionRefusedError: the script says so.
        """
        serve = self.serve(kernel, target.name or target.host)
        if self.refuses:
            raise resolving.refused(f"{self} says so")
        return serve

    def difference(self, target: Destination) -> tuple[float, str]:
        """How near a connection comes, and a text that says why it does not match."""
        nearest = f"the nearest script is {self}"
        if not host_matches(self._host, target.host, target.name):
            return 0.0, nearest
        if self._port not in (None, target.port):
            return 0.5, nearest
        why = "used up" if self.used_up else "for another sandbox, or a condition does not hold"
        return 1.0, f"{nearest}, which is {why}"
