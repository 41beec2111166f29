"""The RPCs: their names, and the types of their messages."""

from collections.abc import Iterable
from typing import Any, cast

from google.protobuf.message import Message

from pytest_sandbox._proto.control_grpc import ModalClientBase
from pytest_sandbox._proto.extensions_grpc import ExtensionsBase
from pytest_sandbox._proto.router_grpc import TaskCommandRouterBase
from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox._shared.suggestions import did_you_mean


@dataclass(frozen=True)
class Signature:
    """The messages of an RPC.

    Attributes:
        request: the type of its request, or of each in a stream.
        response: the type of its response, or of each in a stream.
        takes_stream: whether it takes a stream of requests.
        gives_stream: whether it returns a stream of responses.
    """

    request: type[Message]
    response: type[Message]
    takes_stream: bool
    gives_stream: bool


class _Nothing:
    """Stands in for a servicer, to read the types out of a generated `__mapping__`."""

    def __getattr__(self, name: str) -> None:
        return None


def _signatures() -> dict[str, Signature]:
    return {
        path.rpartition("/")[2]: Signature(
            cast("Any", entry.request_type),
            cast("Any", entry.reply_type),
            entry.cardinality.client_streaming,
            entry.cardinality.server_streaming,
        )
        for base in (ModalClientBase, TaskCommandRouterBase, ExtensionsBase)
        for path, entry in base.__mapping__(cast("Any", _Nothing())).items()
    }


#: By name; the names of the services do not overlap.
SIGNATURES = _signatures()


def signature(rpc: str) -> Signature:
    """The messages of an RPC.

    Raises:
        ValueError: there is no such RPC; the message names similar ones.
    """
    if rpc not in SIGNATURES:
        raise ValueError(f"there is no RPC {rpc!r}{nearest(rpc, SIGNATURES)}")
    return SIGNATURES[rpc]


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error about an unknown name: names that are similar."""
    hint = did_you_mean(name, known)
    return f"; {hint}" if hint else ""


def check_status(name: str) -> None:
    """Check that a status of this name exists.

    Raises:
        ValueError: it does not; the message names similar ones.
    """
    from grpclib import Status

    if name not in Status.__members__:
        raise ValueError(f"there is no status {name!r}{nearest(name, Status.__members__)}")
