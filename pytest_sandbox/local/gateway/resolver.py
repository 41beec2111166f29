"""The name server of one sandbox: answers for the names that it may know."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address

from pytest_sandbox._shared.network.connection_log import Destination
from pytest_sandbox._shared.network.domains import canonical
from pytest_sandbox._shared.network.faults import told
from pytest_sandbox._shared.network.members import UNKNOWN
from pytest_sandbox._shared.network.reach import plain

from . import queries
from .queries import Query

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Any

    from pytest_sandbox._shared.network.connection_log import ConnectionLog
    from pytest_sandbox._shared.network.faults import FaultLike
    from pytest_sandbox._shared.network.members import Members
    from pytest_sandbox._shared.network.reach import Address, Reach

    from .lookups import Lookups
    from .peer_ports import PeerPorts

#: Questions that are taken before others have their turn.
_TURN = 16
_LONGEST = 4096
#: Addresses whose names are remembered.
_MOST_NAMES = 1000
#: Names that were misspelt, maybe: a hostile program may ask for any number of them.
_MOST_REASONS = 20
_DOMAIN = 53
#: What its own aliases resolve to, for a sandbox: its servers listen there.
_ITSELF = IPv4Address("127.0.0.1")


class Resolver:
    """Answers questions for names.

    Args:
        sock: where they come; owned.
        reach: which names may be known.
        lookups: asks this machine.
        log: what is refused.
        fault: the planned fault of a question for a name, if there is one.
    """

    def __init__(
        self,
        sock: socket.socket,
        reach: Reach,
        lookups: Lookups,
        log: ConnectionLog,
        fault: Callable[[str], FaultLike | None],
    ) -> None:
        self._sock = sock
        self._reach = reach
        self._lookups = lookups
        self._log = log
        self._fault = fault
        self._names: dict[Address, str] = {}
        self._members: Members[PeerPorts] | None = None
        self._own: list[str] = []
        self._reasons: dict[str, str] = {}

    def name_of(self, address: Address) -> str:
        """The name that the sandbox last asked for that has this address; empty if none."""
        return self._names.get(address, "")

    def change(self, reach: Reach) -> None:
        """Answer for other names from now on."""
        self._reach = reach

    def join(self, members: Members[PeerPorts], own: list[str]) -> None:
        """Answer for names of members of a network too, and for those of the sandbox itself."""
        self._members = members
        self._own = own

    def serve(self) -> None:
        """Take some questions."""
        with contextlib.suppress(OSError):
            for _ in range(_TURN):
                data, sender = self._sock.recvfrom(_LONGEST)
                try:
                    query = Query(data)
                except ValueError:
                    continue  # as if it had been lost
                self._answer(query, sender)

    def close(self) -> None:
        """Answer no more."""
        self._sock.close()

    def _answer(self, query: Query, sender: tuple[Any, ...]) -> None:
        name = canonical(query.name)
        is_alias = self._members is not None and self._members.had(name)
        allowed = is_alias or self._reach.may_be_asked_for(name)
        if allowed and query.family and (fault := self._fault(name)) is not None:
            self._mislead(fault, name, query, sender)
        elif self._members is not None and is_alias:
            self._answer_for(name, self._members, query, sender)
        elif not self._reach.may_be_asked_for(name):
            reason = "no domain that is allowed is this name"
            if self._members is not None:
                reason = self._reason(name, self._members)
            self._log.note(Destination("", _DOMAIN, name), "denied", reason)
            self._send(query.answer(queries.REFUSED), sender)
        elif not query.family:  # of what else there is to know about a name, nothing is
            self._send(query.answer(queries.NO_ERROR), sender)
        else:
            self._lookups.start(name, lambda found: self._found(query, sender, found))

    def _reason(self, name: str, members: Members[PeerPorts]) -> str:
        """Why a name that is no alias is refused; what was meant is searched for a few names."""
        if name not in self._reasons and len(self._reasons) < _MOST_REASONS:
            self._reasons[name] = members.unknown(name)
        return self._reasons.get(name, UNKNOWN)

    def _mislead(self, fault: FaultLike, name: str, query: Query, sender: tuple[Any, ...]) -> None:
        if not fault.addresses:
            self._log.note(Destination("", _DOMAIN, name), "failed", told(fault.effect))
        if fault.effect == "resolve":
            self._found(query, sender, [plain(one) for one in fault.addresses])

    def _answer_for(
        self, alias: str, members: Members[PeerPorts], query: Query, sender: tuple[Any, ...]
    ) -> None:
        if members.get(alias) is None:  # nor is it asked for elsewhere
            self._send(query.answer(queries.NO_SUCH_NAME), sender)
            return
        address = _ITSELF if alias in self._own else members.address(alias)
        self._send(query.answer(queries.NO_ERROR, [address]), sender)

    def _found(self, query: Query, sender: tuple[Any, ...], found: list[Address] | None) -> None:
        if found is None:
            self._send(query.answer(queries.SERVER_FAILURE), sender)
            return
        for address in found:
            if len(self._names) < _MOST_NAMES or address in self._names:
                self._names[address] = canonical(query.name)
        code = queries.NO_ERROR if found else queries.NO_SUCH_NAME
        self._send(query.answer(code, found), sender)

    def _send(self, data: bytes, sender: tuple[Any, ...]) -> None:
        with contextlib.suppress(OSError):  # it does not wait for it any more
            self._sock.sendto(data, sender)
