"""Who may connect to a sandbox: processes of our user and of root, from the networks it names."""

import logging
from typing import TYPE_CHECKING

from pytest_sandbox._shared.network.cidrs import contains

from ..networks.network import inbound_networks
from ..rpc import tcp_peers

if TYPE_CHECKING:
    from asyncio.trsock import TransportSocket

    from ..model.sandbox import ServedSandbox

log = logging.getLogger("pytest_sandbox.server")

#: Networks that a reason lists.
_SHOWN = 5


class Visitors:
    """Lets connections to a sandbox in, and keeps a record of those that are refused.

    Args:
        sandbox: the sandbox.
        everybody: whether other users of this machine may connect too.
    """

    def __init__(self, sandbox: "ServedSandbox", *, everybody: bool) -> None:
        self._sandbox = sandbox
        self._everybody = everybody
        self._networks = inbound_networks(sandbox.definition)

    def user_refusal(self, sock: "TransportSocket", port: int) -> str:
        """Why a connection is refused because of its user; empty if it is not.

        Args:
            sock: our end.
            port: the port inside; 0 for requests with a connect token.
        """
        return self._noted(port, "" if self._everybody else tcp_peers.refusal(sock))

    def address_refusal(self, host: str, port: int) -> str:
        """Why a connection is refused because of its address; empty if it is not.

        Args:
            host: where it comes from; empty if that is not known any more.
            port: the port inside; 0 for requests with a connect token.
        """
        if not self._networks or (host and contains(self._networks, host)):
            return ""
        named = list(self._sandbox.definition.inbound_cidr_allowlist[:_SHOWN])
        more = ", …" if len(self._networks) > _SHOWN else ""
        allowed = f"inbound_cidr_allowlist={named!r}".removesuffix("]") + f"{more}]"
        return self._noted(port, f"{host or 'an unknown address'} is in no network of {allowed}")

    def _noted(self, port: int, reason: str) -> str:
        if reason and self._sandbox.refusals.add(port, reason):
            log.warning(
                "a connection to %s, port %d, was refused: %s", self._sandbox.id, port, reason
            )
        return reason
