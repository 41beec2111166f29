"""Arguments of `Sandbox.create` about the machine, as messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._proto.sandboxes_pb2 import NetworkAccess, Resources
from pytest_sandbox._shared.network.domains import problem_with_pattern
from pytest_sandbox._shared.suggestions import did_you_mean

from ..exceptions import InvalidError
from ..validation import check_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_sandbox._proto.images_pb2 import GPUConfig

__tracebackhide__ = True  # a failing test shows the caller's line, not these

Amount = float | tuple[float, float] | None


#: Of processors, or of MiB; on the wire there are 32 bits for thousandths of a processor.
_LEAST, _MOST = 0.001, 2**21 - 1
#: What `network="open"` allows.
_EVERYWHERE = ("0.0.0.0/0", "::/0")


def network_access(
    block_network: bool,
    network: str | None,
    cidr_allowlist: Sequence[str] | None,
    outbound_cidr_allowlist: Sequence[str] | None,
    outbound_domain_allowlist: Sequence[str] | None,
) -> NetworkAccess:
    """What the arguments about the network mean; arguments as `Sandbox.create` has them.

    Raises:
        InvalidError: they make no sense, or exclude each other.
    """
    given = {
        "block_network": block_network or None,
        "network": network,
        "cidr_allowlist": cidr_allowlist,
        "outbound_cidr_allowlist": outbound_cidr_allowlist,
    }
    named = [f"{name}={value!r}" for name, value in given.items() if value is not None]
    if outbound_domain_allowlist is not None and (network or block_network):
        named.append(f"outbound_domain_allowlist={outbound_domain_allowlist!r}")
    if len(named) > 1:
        raise InvalidError(f"{' and '.join(named)} exclude each other: give one of them")
    lists = {
        "cidr_allowlist": (cidr_allowlist, "networks"),
        "outbound_cidr_allowlist": (outbound_cidr_allowlist, "networks"),
        "outbound_domain_allowlist": (outbound_domain_allowlist, "names"),
    }
    for name, (value, of) in lists.items():
        if value is not None:
            check_list(name, value, of)
    if block_network:
        return NetworkAccess(network_access_type=NetworkAccess.BLOCKED)
    cidrs = outbound_cidr_allowlist if cidr_allowlist is None else cidr_allowlist
    if cidrs is None and outbound_domain_allowlist is None:
        # What Modal's clients ask for by default, and the engine's settings decide about.
        if network is None:
            return NetworkAccess(network_access_type=NetworkAccess.OPEN)
        if network not in ("none", "open"):
            raise InvalidError(
                f"network={network!r} is neither 'none' nor 'open', nor a SandboxNetwork"
                f"{_meant_by(network)}"
            )
        cidrs = _EVERYWHERE if network == "open" else ()
    return NetworkAccess(
        network_access_type=NetworkAccess.ALLOWLIST,
        allowed_cidrs=[_cidr(text) for text in cidrs or ()],
        allowed_domains=[_domain(name) for name in outbound_domain_allowlist or ()],
    )


def _meant_by(network: object) -> str:
    if network == "test":
        return "; 'test' is for the sandboxes of pytest's fixtures"
    near = did_you_mean(network, ("none", "open")) if isinstance(network, str) else ""
    return f"; {near}" if near else ""


def _domain(name: object) -> str:
    if problem := problem_with_pattern(name):
        raise InvalidError(problem)
    return str(name)


def inbound_networks(cidrs: Sequence[str] | None, block_network: bool) -> list[str]:
    """The networks that connections to a sandbox may come from; none for all.

    Raises:
        InvalidError: they make no sense, or nothing can connect at all.
    """
    if cidrs is None:
        return []
    if block_network:
        raise InvalidError(
            f"inbound_cidr_allowlist={cidrs!r} and block_network=True exclude each other: nothing "
            "can connect to such a sandbox"
        )
    check_list("inbound_cidr_allowlist", cidrs, "networks")
    if not cidrs:
        # At Modal, whose clients send nothing for it, an empty list lets all in.
        raise InvalidError(
            f"inbound_cidr_allowlist={cidrs!r} must be a list of one network or more, such as "
            "['127.0.0.0/8']; None lets all in, and block_network=True nobody"
        )
    return [_cidr(text) for text in cidrs]


def _cidr(text: str) -> str:
    from pytest_sandbox._shared.network.cidrs import parse_cidr  # it imports `ipaddress`

    try:
        parse_cidr(text)
    except ValueError as error:
        raise InvalidError(str(error)) from None
    return text


def resources(cpu: Amount, memory: Amount, gpus: GPUConfig | None = None) -> Resources:
    """Requests and limits, of processors and of MiB; and GPUs.

    Raises:
        InvalidError: they are not positive, or a limit is below its request.
    """
    cpus, cpus_max = _pair("cpu", cpu)
    mib, mib_max = _pair("memory", memory)
    if mib != int(mib) or mib_max != int(mib_max):
        raise InvalidError(f"memory={memory!r} is not a whole number of MiB")
    return Resources(
        milli_cpu=int(1000 * cpus),
        milli_cpu_max=int(1000 * cpus_max),
        memory_mb=int(mib),
        memory_mb_max=int(mib_max),
        gpu_config=gpus,
    )


def _pair(name: str, amount: Amount) -> tuple[float, float]:
    """Request and limit; 0 means none, as on the wire."""
    if amount is None:
        return 0, 0
    values: Sequence[object] = amount if isinstance(amount, tuple) else (amount,)
    if len(values) not in (1, 2):
        raise InvalidError(f"{name}={amount!r} is neither a request nor a (request, limit)")
    checked = [_positive(name, amount, value) for value in values]
    if len(checked) == 1:
        return checked[0], 0
    request, limit = checked
    if limit < request:
        raise InvalidError(f"{name}={amount!r}: the limit is below the request")
    return request, limit


def _positive(name: str, amount: Amount, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise InvalidError(f"{name}={amount!r} is not a positive number")
    if not _LEAST <= value <= _MOST:
        bound = f"at least {_LEAST}" if value < 1 else f"at most {_MOST}"
        raise InvalidError(f"{name}={amount!r} is out of range: {bound} can be requested")
    return value
