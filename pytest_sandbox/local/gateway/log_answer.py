"""The log of connections as a message."""

from __future__ import annotations

from ..protocol.gateway import ConnectionSeen, LogAnswer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytest_sandbox._shared.network.connection_log import ConnectionLog, DestinationEntry


def log_answer(log: ConnectionLog) -> LogAnswer:
    """What a sandbox connected to."""
    return LogAnswer(connections=[_seen(entry) for entry in log.entries], left_out=log.left_out)


def _seen(entry: DestinationEntry) -> ConnectionSeen:
    return ConnectionSeen(
        host=entry.target.host,
        name=entry.target.name,
        port=entry.target.port,
        verdict=entry.verdict,
        reason=entry.reason,
        count=entry.count,
        sent=entry.sent,
        received=entry.received,
    )
