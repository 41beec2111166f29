"""One call that was made."""

from functools import cached_property
from typing import Any

from google.protobuf.message import Message

from pytest_sandbox._proto.inspector_pb2 import RpcRecord

from ._names import SIGNATURES, Signature, nearest


class Rpc:
    """One call: its requests, its responses, and how it ended.

    The fields of the request are attributes: `call.definition` is `call.request.definition`,
    unless this class has an attribute of that name.

    Attributes:
        number: counted from 1 over all calls of the engine, in the order of their arrival.
        rpc: the name of the RPC, such as `"SandboxCreate"`.
        phase: `"setup"`, `"call"` or `"teardown"` of the test; empty without a test.
        listener: where it was made: `"unix"`, `"tcp"` or `"tls"`.
        metadata: sent with the request; `"[secret]"` in the place of secrets.
        status: the name of its status, such as `"OK"`; empty while it is under way. It is
            `"CANCELLED"` if the client went away, or if a fault dropped the response.
        message: that of the status.
        caller: the environment variable `PYTEST_SANDBOX_CALLER` of the process that made it.
        started: on the engine's clock, in seconds since the Unix epoch.
        seconds: how long it took, on the engine's clock.
        sandbox_ids: the sandboxes it was about.
        faults: what was done to it on purpose.
    """

    def __init__(self, record: RpcRecord, phase: str) -> None:
        self._record = record
        self._signature: Signature | None = SIGNATURES.get(record.rpc)
        self.number = record.number
        self.rpc = record.rpc
        self.phase = phase
        self.caller = record.caller
        self.listener = record.listener
        self.metadata = dict(record.metadata)
        self.status = record.status
        self.message = record.message
        self.started = record.started
        self.seconds = record.seconds
        self.sandbox_ids = tuple(record.sandbox_ids)
        self.faults = tuple(record.faults)

    @cached_property
    def requests(self) -> tuple[Any, ...]:
        """The recorded requests, usually one; unknown fields are part of them."""
        if self._signature is None:
            return ()
        return tuple(map(self._signature.request.FromString, self._record.requests))

    @cached_property
    def responses(self) -> tuple[Any, ...]:
        """The recorded responses: one, or the first ones of a stream."""
        if self._signature is None:
            return ()
        return tuple(map(self._signature.response.FromString, self._record.responses))

    @property
    def request(self) -> Any:
        """The first request; `None` if there was none, or it was too large to record."""
        return self.requests[0] if self.requests else None

    @property
    def response(self) -> Any:
        """The first response; `None` if there was none, or it was too large to record."""
        return self.responses[0] if self.responses else None

    @property
    def response_bytes(self) -> int:
        """Bytes of all responses, recorded or not."""
        return self._record.responded.bytes

    @property
    def request_bytes(self) -> int:
        """Bytes of all requests, recorded or not."""
        return self._record.requested.bytes

    @property
    def response_count(self) -> int:
        """How many responses there were, recorded or not."""
        return self._record.responded.messages

    @property
    def request_count(self) -> int:
        """How many requests there were, recorded or not."""
        return self._record.requested.messages

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        known = set(self._signature.request.DESCRIPTOR.fields_by_name) if self._signature else set()
        if name not in known:
            mine = [each for each in dir(self) if not each.startswith("_")]
            raise AttributeError(f"{self.rpc} has no {name!r}{nearest(name, [*known, *mine])}")
        if self.request is None:
            raise AttributeError(
                f"{self.rpc} #{self.number}: its request was not recorded, as it has "
                f"{self.request_bytes} bytes"
            )
        return getattr(self.request, name)

    def __repr__(self) -> str:
        end = self.status or "under way"
        return f"<#{self.number} {self.rpc} {end}>"

    def as_dict(self) -> dict[str, Any]:
        """The call as in the JSON of `Rpcs.to_json`."""
        return {
            "number": self.number,
            "rpc": self.rpc,
            "phase": self.phase,
            "listener": self.listener,
            "sandbox_ids": list(self.sandbox_ids),
            "metadata": self.metadata,
            "requests": [_as_dict(each) for each in self.requests],
            "request_count": self.request_count,
            "request_bytes": self.request_bytes,
            "responses": [_as_dict(each) for each in self.responses],
            "response_count": self.response_count,
            "response_bytes": self.response_bytes,
            "status": self.status,
            "message": self.message,
            "started": self.started,
            "seconds": self.seconds,
            "faults": list(self.faults),
        }


def _as_dict(message: Message) -> dict[str, Any]:
    from google.protobuf import json_format

    return json_format.MessageToDict(message, preserving_proto_field_name=True)
