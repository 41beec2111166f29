"""What lies outside of a sandbox in memory: hosts that a test scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_sandbox._shared.network.connection_log import Destination
    from pytest_sandbox._shared.network.reach import Address

    from ..processes.ports import Acceptor


class Outside(Protocol):
    """What an engine knows of it, for one sandbox."""

    def addresses(self, name: str) -> Sequence[Address]:
        """Those of a name; none if there is no such name."""

    def accept(self, target: Destination) -> Acceptor | None:
        """What serves a connection; `None` if nothing listens there.

        Raises:
            ConnectionRefusedError: a script says so.
        """

    def unknown(self, target: Destination) -> str:
        """Report that nothing is known of a host; returns a sentence to add to the error."""
