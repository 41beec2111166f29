"""Where connections of a sandbox may lead."""

import ipaddress
from collections.abc import Sequence

from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox.engine import Capability, EngineInfo, Network

from ..rpc.errors import invalid, unimplemented


def network(definition: pb.Sandbox, info: EngineInfo) -> Network | None:
    """The network to ask the engine for; `None` for the loopback interface alone.

    An open network is what Modal's clients ask for when their caller says nothing. So it means what
    the engine was set to: nothing, unless its user wants more. A list of networks that are allowed
    is always asked for; with all addresses in it, it is an open network.

    Raises:
        GRPCError: INVALID_ARGUMENT or UNIMPLEMENTED.
    """
    access = definition.network_access
    allows = access.network_access_type == pb.NetworkAccess.ALLOWLIST
    if access.allowed_cidrs and not allows:
        raise invalid(
            f"cidr_allowlist={list(access.allowed_cidrs)!r} is for network_access ALLOWLIST only"
        )
    if definition.block_network or access.network_access_type == pb.NetworkAccess.BLOCKED:
        return None
    wanted = Network(_checked(access.allowed_cidrs)) if allows else info.network
    if wanted is None or not wanted.cidrs:
        return None
    if Capability.NETWORK not in info.capabilities:
        why = info.details.get(
            f"no {Capability.NETWORK.value}", "its sandboxes have no network but loopback"
        )
        raise unimplemented(
            f"network, cidr_allowlist={list(wanted.cidrs)!r}: the engine {info.name!r} cannot do "
            f"this here: {why}"
        )
    return wanted


def _checked(cidrs: Sequence[str]) -> tuple[str, ...]:
    for text in cidrs:
        try:
            ipaddress.ip_network(text)
        except ValueError as error:  # noqa: PERF203 - the loop is about the errors
            raise invalid(f"Invalid CIDR: {text!r}: {error}") from None
    return tuple(cidrs)
