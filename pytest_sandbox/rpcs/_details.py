"""The details of a status: how long to wait before the call is made again."""

from collections.abc import Iterable
from typing import Any

from google.protobuf.message import DecodeError, Message
from grpclib import Status
from grpclib.encoding.base import StatusDetailsCodecBase

from pytest_sandbox._proto.common_pb2 import RPCRetryPolicy, RPCStatus

#: The name under which Modal's clients know the message.
_RETRY_POLICY = "type.modal.com/modal.client.RPCRetryPolicy"


class StatusDetails(StatusDetailsCodecBase):
    """Writes and reads `grpc-status-details-bin` of the only kind that Modal's clients use."""

    def encode(
        self, status: Status, message: str | None, details: Iterable[Message] | None
    ) -> bytes:
        """An `RPCStatus`, whose details are messages of type `RPCRetryPolicy`."""
        encoded = RPCStatus(code=status.value, message=message or "")
        for detail in details or ():
            encoded.details.add(type_url=_RETRY_POLICY, value=detail.SerializeToString())
        return encoded.SerializeToString()

    def decode(self, status: Status, message: str | None, data: bytes) -> list[RPCRetryPolicy]:
        """The messages of type `RPCRetryPolicy`; others are ignored."""
        try:
            found = RPCStatus.FromString(data).details
            return [
                RPCRetryPolicy.FromString(each.value)
                for each in found
                if each.type_url == _RETRY_POLICY
            ]
        except DecodeError:
            return []


def retry_after(details: Any) -> float | None:
    """Seconds to wait before the call is made again; `None` if the server did not say."""
    for detail in details or ():
        if isinstance(detail, RPCRetryPolicy):
            return max(0.0, detail.retry_after_secs)
    return None
