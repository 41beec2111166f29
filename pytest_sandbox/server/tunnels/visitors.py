"""Who may connect to the tunnels of a sandbox: processes of our user and of root."""

import logging
from typing import TYPE_CHECKING

from ..rpc import tcp_peers

if TYPE_CHECKING:
    from asyncio.trsock import TransportSocket

    from ..model.sandbox import ServedSandbox

log = logging.getLogger("pytest_sandbox.server")


class Visitors:
    """Lets connections to a sandbox in, and keeps a record of those that are refused.

    Args:
        sandbox: the sandbox.
        everybody: whether other users of this machine may connect too.
    """

    def __init__(self, sandbox: "ServedSandbox", *, everybody: bool) -> None:
        self._sandbox = sandbox
        self._everybody = everybody

    def refuse(self, sock: "TransportSocket", port: int) -> bool:
        """Whether a connection is refused; nothing has been read from it.

        Args:
            sock: our end.
            port: the port inside; 0 for requests with a connect token.
        """
        reason = "" if self._everybody else tcp_peers.refusal(sock)
        if reason and self._sandbox.refusals.add(port, reason):
            log.warning(
                "a connection to a tunnel of %s, port %d, was refused: %s",
                self._sandbox.id, port, reason,
            )  # fmt: skip
        return bool(reason)
