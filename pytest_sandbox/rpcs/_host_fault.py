"""A fault of connections to a host, or of its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_sandbox._shared.network.domains import is_pattern
from pytest_sandbox._shared.network.faults import is_address

from ._fault import AnyFault, check_seconds, part

if TYPE_CHECKING:
    from pytest_sandbox._proto import inspector_pb2 as pb

    from ._fault import FaultPlan

#: Effects on questions for the name, not on connections.
_OF_NAMES = ("resolves_to", "no_answer")


class HostFault(AnyFault):
    """A fault of connections that programs in sandboxes open to a host, or of its name.

    It needs an effect, or a `delay`, or both. It affects all connections until the test ends,
    unless `times` says otherwise. If several faults apply to one connection, their delays add up,
    and the first of them that has another effect decides it.

    Connections that the network of a sandbox does not allow are denied as without a fault.
    """

    def __init__(
        self, plan: FaultPlan, caller: str, words: str, connection: pb.ConnectionFault
    ) -> None:
        super().__init__(plan, caller, words)
        self._fault.connection.CopyFrom(connection)
        self._connection = self._fault.connection

    @part
    def times(self, count: int) -> HostFault:
        """Affect that many connections, or questions for the name.

        Say it before `reset` or `delay`, which affect open connections at once.

        Raises:
            ValueError: not at least 1.
        """
        if count < 1:
            raise ValueError(f"times({count!r}): at least 1, or leave the fault out")
        self._connection.times = count
        return self._also("times", count)

    @part
    def delay(self, seconds: float) -> HostFault:
        """Let what comes from the host arrive so much later, on open connections too.

        Raises:
            ValueError: negative, or the fault is one of the name.
        """
        if self._connection.WhichOneof("effect") in _OF_NAMES:
            raise ValueError(f"{self!r} is for questions, and a delay for connections")
        self._connection.delay = check_seconds("delay", seconds)
        return self._also("delay", seconds)

    @part
    def refuse(self) -> HostFault:
        """Take no connection, as if nothing listened.

        Raises:
            ValueError: there is another effect.
        """
        self._exclusive("refuse")
        self._connection.refuse = True
        return self._also("refuse")

    @part
    def reset(self, *, after_bytes: int = 0) -> HostFault:
        """Reset both sides once that many bytes came from the host, on open connections too.

        Args:
            after_bytes: with 0, as soon as there is a connection.

        Raises:
            ValueError: negative, or there is another effect.
        """
        if after_bytes < 0:
            raise ValueError(f"after_bytes={after_bytes!r} is negative")
        self._exclusive("reset_after_bytes")
        self._connection.reset_after_bytes = after_bytes
        return self._also("reset", after_bytes=after_bytes)

    @part
    def black_hole(self) -> HostFault:
        """Never answer; after 30 seconds, connections fail as those to a host that is down.

        Raises:
            ValueError: there is another effect.
        """
        self._exclusive("black_hole")
        self._connection.black_hole = True
        return self._also("black_hole")

    @part
    def resolves_to(self, *addresses: str) -> HostFault:
        """Let the name have other addresses.

        Raises:
            ValueError: one is none, the fault is not for a name, or there is another effect.
        """
        for address in addresses:
            if not is_address(address):
                raise ValueError(f"{address!r} is not an address")
        if not addresses:
            raise ValueError("name at least one address, or say no_such_name()")
        self._of_name("resolves_to")
        self._connection.resolves_to.addresses[:] = addresses
        return self._also("resolves_to", *addresses)

    @part
    def no_such_name(self) -> HostFault:
        """Let the name server say that there is no such name.

        Raises:
            ValueError: the fault is not for a name, or there is another effect.
        """
        self._of_name("resolves_to")
        self._connection.resolves_to.SetInParent()
        return self._also("no_such_name")

    @part
    def no_answer(self) -> HostFault:
        """Let the name server not answer questions for the name.

        Raises:
            ValueError: the fault is not for a name, or there is another effect.
        """
        self._of_name("no_answer")
        self._connection.no_answer = True
        return self._also("no_answer")

    def _of_name(self, effect: str) -> None:
        host = self._connection.host
        if not is_pattern(host) or is_address(host):
            raise ValueError(f"{host!r} is not a name, which a name server is asked for")
        if self._connection.port or self._connection.delay:
            raise ValueError(f"{self!r} is for connections: name servers are asked without a port")
        self._exclusive(effect)

    def _exclusive(self, effect: str) -> None:
        other = self._connection.WhichOneof("effect")
        if other not in (None, effect):
            raise ValueError(f"{self!r} has an effect already, and a connection can have only one")

    def _also(self, verb: str, *args: Any, **kwargs: Any) -> HostFault:
        told = [repr(each) for each in args] + [f"{name}={each!r}" for name, each in kwargs.items()]
        self._words += f".{verb}({', '.join(told)})"
        if self._connection.WhichOneof("effect") or self._connection.delay:
            self.set()
        return self

    @property
    def _times(self) -> int:
        return self._connection.times or 1

    def __repr__(self) -> str:
        return f"<network_faults.{self._words}>"
