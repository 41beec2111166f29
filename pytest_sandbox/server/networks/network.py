"""Where connections of a sandbox may lead, and come from."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox._shared.network.cidrs import parse_cidr
from pytest_sandbox._shared.network.domains import problem_with_pattern
from pytest_sandbox.engine import OPEN_NETWORK, Capability, EngineInfo, Network, TaskSpec

from ..rpc.errors import invalid, unimplemented

if TYPE_CHECKING:
    from pytest_sandbox._shared.network.reach import NetworkRange

#: Networks that connections to a sandbox may come from.
_MOST_INBOUND = 1000


def network(definition: pb.Sandbox, info: EngineInfo) -> Network | None:
    """The network to ask the engine for; `None` for the loopback interface alone.

    An open network is what Modal's clients ask for when their caller says nothing. So it means what
    the engine was set to: nothing, unless its user wants more. A list of what is allowed is
    always asked for; with all addresses in it, it is an open network.

    Raises:
        GRPCError: INVALID_ARGUMENT or UNIMPLEMENTED.
    """
    access = definition.network_access
    allows = access.network_access_type == pb.NetworkAccess.ALLOWLIST
    if not allows and (access.allowed_cidrs or access.allowed_domains):
        raise invalid(f"{_lists(access)} without the network_access_type ALLOWLIST")
    if is_blocked(definition):
        if Capability.ISOLATION not in info.capabilities:
            raise unimplemented(
                f"block_network=True: the engine {info.name!r} cannot do this: its sandboxes have "
                "the network of this machine"
            )
        return None
    wanted = _checked(access) if allows else info.network
    if wanted is None or wanted == Network():
        return None
    if Capability.NETWORK not in info.capabilities:
        why = info.details.get(
            f"no {Capability.NETWORK.value}", "its sandboxes have no network but loopback"
        )
        asked = _lists(access) if allows else "the network that the engine was set to"
        raise unimplemented(f"{asked}: the engine {info.name!r} cannot do this here: {why}")
    return wanted


def changed_network(access: pb.NetworkAccess) -> Network:
    """What a running sandbox is to have instead of its network; here, an open one is asked for.

    Raises:
        GRPCError: INVALID_ARGUMENT.
    """
    if access.network_access_type == pb.NetworkAccess.ALLOWLIST:
        return _checked(access)
    if access.network_access_type == pb.NetworkAccess.OPEN:
        return OPEN_NETWORK
    if access.network_access_type == pb.NetworkAccess.BLOCKED:
        return Network()
    raise invalid("network_access is missing: name a network_access_type")


def inbound_networks(definition: pb.Sandbox) -> "list[NetworkRange]":
    """The networks that connections to a sandbox may come from; none for all.

    Raises:
        GRPCError: INVALID_ARGUMENT.
    """
    cidrs = definition.inbound_cidr_allowlist
    if cidrs and is_blocked(definition):
        raise invalid(
            f"inbound_cidr_allowlist={list(cidrs)!r} and block_network=True exclude each other: "
            "nothing can connect to such a sandbox"
        )
    if len(cidrs) > _MOST_INBOUND:
        raise invalid(
            f"inbound_cidr_allowlist has {len(cidrs)} networks, more than {_MOST_INBOUND}"
        )
    return _networks(cidrs)


def is_blocked(definition: pb.Sandbox) -> bool:
    """Whether a sandbox has `block_network`."""
    access = definition.network_access.network_access_type
    return definition.block_network or access == pb.NetworkAccess.BLOCKED


def lack_of_network(definition: pb.Sandbox, spec: TaskSpec) -> str:
    """What leaves a sandbox with its loopback interface alone; empty if it has a network.

    Returns:
        `"block_network"`; `"none"` for a list with nothing in it; `"default"` if its creator said
        nothing, and the engine was set to nothing.
    """
    if spec.network is not None or spec.membership is not None:
        return ""
    if is_blocked(definition):
        return "block_network"
    allows = definition.network_access.network_access_type == pb.NetworkAccess.ALLOWLIST
    return "none" if allows else "default"


def _networks(cidrs: Iterable[str]) -> "list[NetworkRange]":
    try:
        return [parse_cidr(text) for text in cidrs]
    except ValueError as error:
        raise invalid(str(error)) from None


def _lists(access: pb.NetworkAccess) -> str:
    """The lists that were given, as their caller wrote them."""
    lists = {
        "outbound_cidr_allowlist": access.allowed_cidrs,
        "outbound_domain_allowlist": access.allowed_domains,
    }
    return ", ".join(f"{name}={list(given)!r}" for name, given in lists.items() if given)


def _checked(access: pb.NetworkAccess) -> Network:
    _networks(access.allowed_cidrs)
    for domain in access.allowed_domains:
        if problem := problem_with_pattern(domain):
            raise invalid(problem)
    return Network(tuple(access.allowed_cidrs), tuple(access.allowed_domains))
