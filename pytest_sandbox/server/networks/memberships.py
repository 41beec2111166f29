"""Networks of sandboxes: what may be an alias in one, beside those of its other members.

A network exists while sandboxes say that they are in it; there is nothing to make or to end.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from pytest_sandbox._proto import extensions_pb2
from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox._shared.network.domains import matches
from pytest_sandbox.engine import Capability, EngineInfo, Membership, Network, TaskSpec

from ..model.sandbox import ServedSandbox
from ..model.sandboxes import SandboxRegistry
from ..rpc.errors import already_exists, invalid, unimplemented
from .network import is_blocked


def membership(
    message: extensions_pb2.SandboxMembership, definition: pb.Sandbox, info: EngineInfo
) -> Membership:
    """The membership to ask the engine for.

    Raises:
        GRPCError: INVALID_ARGUMENT or UNIMPLEMENTED.
    """
    if is_blocked(definition):
        raise invalid("block_network=True: such a sandbox cannot be in a network of sandboxes")
    if Capability.SANDBOX_NETWORK not in info.capabilities:
        why = info.details.get(
            f"no {Capability.SANDBOX_NETWORK.value}", "its sandboxes cannot see each other"
        )
        raise unimplemented(
            f"network=SandboxNetwork(...): the engine {info.name!r} cannot do this here: {why}"
        )
    return Membership(message.network_id, tuple(dict.fromkeys(message.aliases)))


class MembershipRegistry:
    """The aliases in all networks of sandboxes.

    Args:
        sandboxes: those that there are.
    """

    def __init__(self, sandboxes: SandboxRegistry) -> None:
        self._sandboxes = sandboxes
        self._entering: list[TaskSpec] = []

    @contextmanager
    def entering(self, spec: TaskSpec) -> Iterator[None]:
        """While a sandbox is created, so that no other gets its aliases meanwhile.

        Raises:
            GRPCError: ALREADY_EXISTS, another sandbox has an alias of it; INVALID_ARGUMENT, an
                alias is also a name that a member may connect to outside.
        """
        if spec.membership is None:
            yield
            return
        for other in (spec, *self._members(spec.membership.network)):
            _check(spec, other)
        self._entering.append(spec)
        try:
            yield
        finally:
            self._entering.remove(spec)

    def check_change(self, sandbox: ServedSandbox, network: Network) -> None:
        """Refuse another network for a sandbox that has names which are aliases for it.

        Raises:
            GRPCError: INVALID_ARGUMENT.
        """
        if sandbox.spec.membership is not None:
            for other in self._members(sandbox.spec.membership.network):
                _check_names(other.membership, network)

    def _members(self, network: str) -> list[TaskSpec]:
        specs = [*self._entering, *(sandbox.spec for sandbox in self._sandboxes.containers())]
        return [
            spec
            for spec in specs
            if spec.membership is not None and spec.membership.network == network
        ]


def _check(spec: TaskSpec, other: TaskSpec) -> None:
    assert spec.membership is not None
    assert other.membership is not None
    taken = set(spec.membership.aliases) & set(other.membership.aliases)
    if other is not spec and taken:
        name = f" {other.name!r}" if other.name else ""
        raise already_exists(
            f"the alias {min(taken)!r} is that of another sandbox{name} in this network, which runs"
        )
    _check_names(spec.membership, other.network)
    _check_names(other.membership, spec.network)


def _check_names(membership: Membership | None, network: Network | None) -> None:
    """Refuse a name that would lead to a sandbox, and that somebody wants to reach outside."""
    if membership is None or network is None:
        return
    for alias in membership.aliases:
        for pattern in network.domains:
            # With `*`, or an open network, nobody said anything about this name.
            if pattern != "*" and matches(alias, pattern):
                raise invalid(
                    f"the name {alias!r} is the alias of a sandbox in this network, and "
                    f"outbound_domain_allowlist has {pattern!r}: it can only mean one of them"
                )
