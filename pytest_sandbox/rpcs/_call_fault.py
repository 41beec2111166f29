"""A fault of calls: which calls it is for, and what happens to them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from ._fault import AnyFault, check_seconds, part
from ._match import check, nested
from ._names import check_status, signature

if TYPE_CHECKING:
    from pytest_sandbox._proto import inspector_pb2 as pb

    from ._fault import FaultPlan


class CallFault(AnyFault):
    """A fault of calls.

    It needs an effect: one of `status`, `rate_limit`, `drop_response` and `cut_stream`, or a
    `delay`, or both. It fires once unless `times` or `always` says otherwise. If several
    faults apply to one call, their delays add up, and the first of them that has another effect
    decides it.
    """

    def __init__(self, plan: FaultPlan, caller: str, words: str, call: pb.CallFault) -> None:
        super().__init__(plan, caller, words)
        self._fault.call.CopyFrom(call)
        self._call = self._fault.call

    @part
    def where(self, **fields: Any) -> CallFault:
        """Only for calls whose request has these plain values, as in `Rpcs.where`.

        Raises:
            ValueError: the request has no such field, or the value cannot be sent.
        """
        expected = nested(fields)
        for rpc in self._call.rpcs:
            known = signature(rpc)
            if known.takes_stream:
                raise ValueError(f"{rpc} takes a stream: where() has no request to look at")
            check(known.request.DESCRIPTOR, expected)
        self._call.where = _literal(expected)
        return self._also("where", **fields)

    @part
    def times(self, count: int) -> CallFault:
        """Fire that often, on as many calls.

        Raises:
            ValueError: not at least 1.
        """
        if count < 1:
            raise ValueError(f"times({count!r}): at least 1, or leave the fault out")
        self._call.times = count
        return self._also("times", count)

    @part
    def always(self) -> CallFault:
        """Fire on every such call."""
        self._call.times = 0
        return self._also("always")

    @part
    def status(self, status: str, message: str = "") -> CallFault:
        """End with that status; the call is not carried out.

        Args:
            status: its name, `"UNAVAILABLE"`.
            message: that of the status; by default it says that a fault was set.

        Raises:
            ValueError: there is no such status, it is `"OK"`, or there is another effect.
        """
        check_status(status)
        if status == "OK":
            raise ValueError("status('OK') is not a fault: use another status")
        self._exclusive("status")
        self._call.status.status = status
        self._call.status.message = message or f"{status} by a planned fault"
        return self._also("status", status)

    @part
    def rate_limit(self, *, retry_after: float) -> CallFault:
        """End with `RESOURCE_EXHAUSTED` and a time to retry after; the call is not carried out.

        Args:
            retry_after: seconds, sent as Modal's servers do: as an `RPCRetryPolicy` in the
                details of the status. Clients wait and repeat the call.

        Raises:
            ValueError: negative, or there is another effect.
        """
        self._exclusive("retry_after")
        self._call.retry_after = check_seconds("retry_after", retry_after)
        return self._also("rate_limit", retry_after=retry_after)

    @part
    def drop_response(self) -> CallFault:
        """Carry the call out, but reset it (HTTP/2 `RST_STREAM`) instead of responding.

        A stream of responses is reset instead of its first one.

        Raises:
            ValueError: there is another effect.
        """
        self._exclusive("drop_response")
        self._call.drop_response = True
        return self._also("drop_response")

    @part
    def cut_stream(self, *, after_bytes: int) -> CallFault:
        """End a stream of responses with `UNAVAILABLE` after that many bytes.

        Clients see the same when a connection breaks on the way. A reset could overtake
        messages that were sent before it.

        Args:
            after_bytes: of output, for `TaskExecStdioRead`, to the byte; of whole messages as
                they are on the wire, for others.

        Raises:
            ValueError: negative, a call without a stream, or there is another effect.
        """
        for rpc in self._call.rpcs:
            if not signature(rpc).gives_stream:
                raise ValueError(f"{rpc} has one response: only a stream of responses can be cut")
        if after_bytes < 0:
            raise ValueError(f"after_bytes={after_bytes!r} is negative")
        self._exclusive("cut_after_bytes")
        self._call.cut_after_bytes = after_bytes
        return self._also("cut_stream", after_bytes=after_bytes)

    @part
    def delay(self, seconds: float) -> CallFault:
        """Wait, on the engine's clock, before anything else happens.

        Raises:
            ValueError: negative.
        """
        self._call.delay = check_seconds("delay", seconds)
        return self._also("delay", seconds)

    def _exclusive(self, effect: str) -> None:
        other = self._call.WhichOneof("effect")
        if other not in (None, effect):
            raise ValueError(f"{self!r} has an effect already, and a call can have only one")

    def _also(self, verb: str, *args: Any, **kwargs: Any) -> CallFault:
        told = [repr(each) for each in args] + [f"{name}={each!r}" for name, each in kwargs.items()]
        self._words += f".{verb}({', '.join(told)})"
        if self._call.WhichOneof("effect") or self._call.delay:
            self.set()
        return self

    @property
    def _times(self) -> int:
        if self._call.HasField("chance"):
            return 0
        return self._call.times or 1


def _literal(expected: dict[Any, Any]) -> str:
    """The expected values as a Python literal, which can be sent."""
    text = repr(expected)
    try:
        same = ast.literal_eval(text) == expected
    except (ValueError, SyntaxError):
        same = False
    if not same:
        raise ValueError(
            f"{text}: where() takes numbers, text, bytes, lists and dicts, not functions and "
            "other objects, which cannot be sent to the server"
        )
    return text
