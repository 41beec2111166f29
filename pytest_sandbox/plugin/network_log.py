"""What the sandboxes of a test connected to: the fixture `sandbox_network_log`, and the report."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, cast

from pytest_sandbox._shared.command_text import printable
from pytest_sandbox._shared.lazy_dataclass import dataclass

from .engine import session_of
from .fakes import FAKE, NAME, is_faked
from .ownership import OWNED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pytest

    from pytest_sandbox._proto.inspector_pb2 import InspectorDescribeResponse, SandboxConnection

__tracebackhide__ = True  # a failing test shows its own lines, not these

#: Connections of a sandbox that a report shows.
_SHOWN = 10
_DOMAIN, _HTTPS = 53, 443
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class NetworkConnection:
    """Connections of a sandbox to one host and port that went alike.

    Attributes:
        sandbox_id: of the sandbox.
        host: the address; empty for a name that was only asked for, in vain.
        name: of the host; empty if it is not known.
        port: the port; 53 for a name that was only asked for; 0 for connections that wait, because
            the sandbox has as many as it may: `count` is the most that did at once.
        verdict: whether they were allowed; and if so, whether they could be made.
        reason: why they were denied, or failed.
        count: how many there were.
        sent: bytes from the sandbox.
        received: bytes to it.
    """

    sandbox_id: str
    host: str
    name: str
    port: int
    verdict: Literal["allowed", "denied", "failed"]
    reason: str
    count: int
    sent: int
    received: int


class SandboxNetworkLog:
    """What the sandboxes of a test connected to, besides themselves; see `sandbox_network_log`."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item

    def connections(self) -> list[NetworkConnection]:
        """Those of all sandboxes of the test so far, by the order of the sandboxes.

        Of each sandbox there are 80 at most; see `left_out`.

        Raises:
            Error: the engine could not be asked.
        """
        return [
            NetworkConnection(
                sandbox_id=description.sandbox_id,
                host=one.host,
                name=one.name,
                port=one.port,
                verdict=cast("Literal['allowed', 'denied', 'failed']", one.verdict),
                reason=one.reason,
                count=one.count,
                sent=one.sent,
                received=one.received,
            )
            for description in self._descriptions()
            for one in description.connections
        ]

    def left_out(self) -> int:
        """How many connections are not in the list, because a sandbox had too many."""
        return sum(description.connections_left_out for description in self._descriptions())

    def _descriptions(self) -> Iterator[InspectorDescribeResponse]:
        fake = self._item.stash.get(FAKE, None)
        if fake is not None:
            client, ids = fake.client, fake.ids
        else:
            client, ids = session_of(self._item).client(), self._item.stash[OWNED].ids
        for description in client.batch(ids).describe(0).values() if ids else ():
            if isinstance(description, Exception):
                raise description
            yield description


def log_of_test(request: pytest.FixtureRequest) -> SandboxNetworkLog:
    """What the sandboxes of a test connected to."""
    if is_faked(request.node):
        request.getfixturevalue(NAME)
    return SandboxNetworkLog(request.node)


def network_lines(
    description: InspectorDescribeResponse, given: Mapping[str, Any] = _NOTHING
) -> Iterator[str]:
    """Connections that were denied or failed, with what would allow them.

    Args:
        description: of a sandbox.
        given: keywords of the marker of its test, whose lists the remedies keep.
    """
    troubled = [one for one in description.connections if one.verdict != "allowed"]
    for one in troubled[:_SHOWN]:
        times = f", {one.count} times" if one.count > 1 else ""
        yield f"connection {printable(one.verdict)}: {_target(one)}{times}: {printable(one.reason)}"
        if remedy := _remedy(one):
            key, value = remedy
            values = [printable(str(each)) for each in given.get(key) or ()]
            if given.get("network") == "open":  # which the list is instead of
                values = ["0.0.0.0/0", "::/0"]
            shown = ", ".join(f'"{each}"' for each in dict.fromkeys([*values, value]))
            yield f"    what allows it: @pytest.mark.sandbox({key}=[{shown}])"
    left_out = len(troubled) - _SHOWN + description.connections_left_out
    if left_out > 0:
        yield f"({left_out} further connections not shown)"
    yield from _refused_lines(description)


def _refused_lines(description: InspectorDescribeResponse) -> Iterator[str]:
    """Connections to tunnels that were refused, with what would allow them."""
    for one in description.refused[:_SHOWN]:
        where = f"the tunnel of port {one.port}" if one.port else "the address of connect tokens"
        times = f", {one.count} times" if one.count > 1 else ""
        yield f"connection to {where} refused{times}: {printable(one.reason)}"
        if one.reason.startswith("it is of user"):
            yield "    what allows it: --sandbox-engine-option=tunnels=everybody"
        elif "inbound_cidr_allowlist" in one.reason:
            network = f"{printable(one.reason).partition(' ')[0]}/32"
            yield f'    what allows it: @pytest.mark.sandbox(inbound_cidr_allowlist=["{network}"])'
    left_out = len(description.refused[_SHOWN:]) + description.refused_left_out
    if left_out > 0:
        yield f"({left_out} further refused connections not shown)"


def _target(one: SandboxConnection) -> str:
    host, name = printable(one.host), printable(one.name)
    if not host:
        return f"the name {name}" if one.port else "not accepted yet"
    return f"{name} ({host}) port {one.port}" if name else f"{host} port {one.port}"


def _remedy(one: SandboxConnection) -> tuple[str, str] | None:
    """What would allow it: a key of the marker, and a value for its list; `None` for nothing."""
    name, host = printable(one.name), printable(one.host)
    # A name does not allow an address that has to be named itself, nor what names no server.
    lacks_name = one.reason.startswith(("no network", "no domain"))
    # In a network of sandboxes, a name without a dot is rather a misspelt alias.
    lacks_name |= "no domain that is allowed" in one.reason and "." in name
    never = one.reason.startswith(("it is loopback", "no sandbox of its network has this address"))
    if one.verdict != "denied" or never:
        return None
    if name and lacks_name and one.port in (_DOMAIN, _HTTPS):
        return "outbound_domain_allowlist", name
    return ("cidr_allowlist", f"{host}/{128 if ':' in host else 32}") if host else None
