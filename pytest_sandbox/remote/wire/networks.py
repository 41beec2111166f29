"""Networks, connections and their faults as messages, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args, get_type_hints

from pytest_sandbox._proto import engine_pb2 as pb
from pytest_sandbox.engine import ConnectionFault, ConnectionRecord, Membership, Network, NetworkLog

from .malformed import Malformed
from .texts import text_from_wire, text_to_wire

if TYPE_CHECKING:
    from typing import Any

_VERDICTS = get_args(get_type_hints(ConnectionRecord)["verdict"])
_EFFECTS = get_args(get_type_hints(ConnectionFault)["effect"])


def network_to_wire(network: Network) -> pb.Network:
    """Where connections may lead."""
    return pb.Network(cidrs=network.cidrs, domains=network.domains)


def network_from_wire(message: pb.Network) -> Network:
    """Where connections may lead."""
    return Network(tuple(message.cidrs), tuple(message.domains))


def membership_to_wire(membership: Membership) -> pb.Membership:
    """A network of tasks that a task belongs to."""
    return pb.Membership(network=text_to_wire(membership.network), aliases=membership.aliases)


def membership_from_wire(message: pb.Membership) -> Membership:
    """A network of tasks that a task belongs to."""
    return Membership(text_from_wire(message.network), tuple(message.aliases))


def network_log_to_wire(log: NetworkLog) -> pb.NetworkLogReply:
    """What programs connected to."""
    reply = pb.NetworkLogReply(left_out=log.left_out)
    for record in log.records:
        reply.records.add(
            host=record.host,
            name=text_to_wire(record.name),
            port=record.port,
            verdict=record.verdict,
            reason=text_to_wire(record.reason),
            count=record.count,
            sent=record.sent,
            received=record.received,
        )
    return reply


def network_log_from_wire(reply: pb.NetworkLogReply) -> NetworkLog:
    """What programs connected to.

    Raises:
        Malformed: a verdict is none.
    """
    records = tuple(
        ConnectionRecord(
            record.host,
            text_from_wire(record.name),
            record.port,
            _one_of(_VERDICTS, record.verdict, "verdict"),
            text_from_wire(record.reason),
            record.count,
            record.sent,
            record.received,
        )
        for record in reply.records
    )
    return NetworkLog(records, reply.left_out)


def fault_to_wire(fault: ConnectionFault) -> pb.ConnectionFault:
    """What goes wrong with connections.

    Raises:
        TypeError, ValueError: no message can have this.
    """
    return pb.ConnectionFault(
        id=text_to_wire(fault.id),
        host=fault.host,
        group=text_to_wire(fault.group),
        port=fault.port,
        nth=fault.nth,
        times=fault.times,
        delay=fault.delay,
        effect=fault.effect,
        after_bytes=fault.after_bytes,
        addresses=fault.addresses,
    )


def fault_from_wire(message: pb.ConnectionFault) -> ConnectionFault:
    """What goes wrong with connections; whether it makes sense, the engine says.

    Raises:
        Malformed: it has an effect that there is not.
    """
    return ConnectionFault(
        text_from_wire(message.id),
        message.host,
        text_from_wire(message.group),
        message.port,
        message.nth,
        message.times,
        message.delay,
        _one_of(_EFFECTS, message.effect, "effect"),
        message.after_bytes,
        tuple(message.addresses),
    )


def _one_of(known: tuple[str, ...], value: str, what: str) -> Any:
    if value not in known:
        raise Malformed(f"{value[:200]!r} is no {what}")
    return value
