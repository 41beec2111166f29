"""The sidecars of one sandbox: further containers that run beside it, and end with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar

from grpclib import GRPCError, Status

from pytest_sandbox._shared.network.aliases import problem_with_alias

from ..rpc.errors import already_exists, invalid, not_found
from .retention import Retention

#: What the main container is called by its sidecars, and as a container.
MAIN = "main"
#: The most sidecars of one sandbox that run at a time, as at Modal.
MOST_SIDECARS = 250
#: The most sidecars of one sandbox that have ended and can still be read, and bytes of output.
_FINISHED, _FINISHED_BYTES = 250, 64 * 1024 * 1024


class Container(Protocol):
    """What is known of each of them."""

    @property
    def id(self) -> str:
        """Begins with `ctr-`."""

    @property
    def name(self) -> str:
        """Of the container in its sandbox."""

    @property
    def result(self) -> Any:
        """How it ended; `None` while it runs."""

    def output_bytes(self) -> int:
        """Bytes that are held of its output."""


C = TypeVar("C", bound=Container)


class Sidecars(Generic[C]):
    """The sidecars of one sandbox, by id and by name."""

    def __init__(self) -> None:
        self._known: dict[str, C] = {}
        self._reserved: set[str] = set()
        self._finished: Retention[C] = Retention(_FINISHED, _FINISHED_BYTES)

    def add(self, sidecar: C) -> None:
        """Register one that runs."""
        self._known[sidecar.id] = sidecar

    def ended(self, sidecar: C) -> None:
        """One has ended; newer ones that end may evict it."""
        for evicted in self._finished.add(sidecar, sidecar.output_bytes()):
            self._forget(evicted)

    def all(self) -> list[C]:
        """Every one that is known, the oldest first."""
        return list(self._known.values())

    def running(self) -> list[C]:
        """Every one that runs."""
        return [sidecar for sidecar in self._known.values() if sidecar.result is None]

    def get(self, container_id: str) -> C:
        """A sidecar by id.

        Raises:
            GRPCError: NOT_FOUND.
        """
        try:
            return self._known[container_id]
        except KeyError:
            raise not_found("Sidecar", container_id) from None

    def named(self, name: str, *, ended: bool = False) -> C:
        """The sidecar of a name that runs; with `ended` the latest of those that do not.

        Raises:
            GRPCError: NOT_FOUND.
        """
        for sidecar in reversed(self._known.values()):
            if sidecar.name == name and (ended or sidecar.result is None):
                return sidecar
        raise not_found("Sidecar", name)

    @contextmanager
    def reserved(self, name: str) -> Iterator[None]:
        """Reserve a name before there is a sidecar, so that two creations cannot both have it.

        Raises:
            GRPCError: ALREADY_EXISTS, INVALID_ARGUMENT or RESOURCE_EXHAUSTED.
        """
        check_sidecar_name(name)
        running = {sidecar.name for sidecar in self.running()} | self._reserved
        if name in running:
            raise already_exists(f"Sidecar {name!r} already exists in this sandbox, and runs")
        if len(running) >= MOST_SIDECARS:
            raise GRPCError(
                Status.RESOURCE_EXHAUSTED,
                f"{MOST_SIDECARS} sidecars of this sandbox run, the most at a time: end some",
            )
        self._reserved.add(name)
        try:
            yield
        finally:
            self._reserved.discard(name)

    def _forget(self, sidecar: C) -> None:
        del self._known[sidecar.id]


def check_sidecar_name(name: str) -> None:
    """Refuse a name that cannot be one: others reach the sidecar by it.

    Raises:
        GRPCError: INVALID_ARGUMENT.
    """
    if name == MAIN:
        raise invalid(f"the name {MAIN!r} is that of the main container of each sandbox")
    if problem := problem_with_alias(name.lower()):
        raise invalid(f"name={name!r} of a sidecar {problem}")
