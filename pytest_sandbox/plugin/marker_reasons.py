"""Why the value of a keyword of the marker is invalid, and what was probably meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._shared.gpus.requests import parse
from pytest_sandbox._shared.network.domains import is_pattern, meant_by_pattern
from pytest_sandbox._shared.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable


def reason(key: str, value: object) -> str:
    """Why a value is invalid, as an addition to what it must be; empty if there is none."""
    why = _REASONS[key](value) if key in _REASONS else ""
    return f"; {why}" if why else ""


def _of_network(value: object) -> str:
    return did_you_mean(value, ("none", "open", "test")) if isinstance(value, str) else ""


def _of_each(problem: Callable[[object], str]) -> Callable[[object], str]:
    """The problem with the first element that has one; of a text, that it needs a list."""

    def why(value: object) -> str:
        if isinstance(value, str):
            return problem(value) or f"did you mean {[value]!r}?"
        each = value if isinstance(value, list | tuple) else ()
        return next(filter(None, map(problem, each)), "")

    return why


def _of_cidr(value: object) -> str:
    from pytest_sandbox._shared.network.cidrs import parse_cidr  # it imports `ipaddress`

    try:
        parse_cidr(value)
    except ValueError as error:
        if is_pattern(value):
            return f"{value!r} is for outbound_domain_allowlist"
        return str(error).removeprefix("Invalid CIDR: ")
    return ""


def _of_gpu(value: object) -> str:
    if not isinstance(value, str | list):
        return ""
    try:
        parse(value)
    except ValueError as error:
        return str(error)
    return ""


_REASONS: dict[str, Callable[[object], str]] = {
    "cidr_allowlist": _of_each(_of_cidr),
    "gpu": _of_gpu,
    "inbound_cidr_allowlist": _of_each(_of_cidr),
    "network": _of_network,
    "outbound_cidr_allowlist": _of_each(_of_cidr),
    "outbound_domain_allowlist": _of_each(meant_by_pattern),
}
