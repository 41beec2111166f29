"""The marker `sandbox(**spec)`: checked at collection; for each key the closest marker wins."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from pytest_sandbox._shared.engine_options import ISOLATION
from pytest_sandbox._shared.gpus.requests import parse
from pytest_sandbox._shared.image_names import may_name_image
from pytest_sandbox._shared.network.aliases import problem_with_alias
from pytest_sandbox._shared.network.domains import is_pattern
from pytest_sandbox._shared.suggestions import did_you_mean

from .networks import OWN

#: Parameters of `Sandbox.create` that a later release will take.
_NOT_YET = (
    "cloud",
    "network_file_systems",
    "proxy",
    "region",
)
#: Keys that `None` cannot reset to the default, because their parameters do not accept it.
_NEVER_NONE = (
    "block_network",
    "encrypted_ports",
    "h2_ports",
    "project",
    "pty",
    "timeout",
    "unencrypted_ports",
    "verbose",
)


def merged_spec(item: pytest.Item) -> dict[str, Any]:
    """The keys of all `sandbox` markers of a test; the closest that names a key wins.

    Raises:
        pytest.fail.Exception: a marker that was added after the collection is invalid.
    """
    if invalid := list(problems(item)):
        pytest.fail("\n".join(invalid), pytrace=False)
    spec: dict[str, Any] = {}
    for mark in _closest_first(item):
        spec = {**mark.kwargs, **spec}
    spec.pop(ISOLATION, None)
    return spec


def needs_isolation(item: pytest.Item) -> bool:
    """Whether a test is for engines that isolate."""
    given = [mark.kwargs[ISOLATION] for mark in _closest_first(item) if ISOLATION in mark.kwargs]
    return given[:1] == ["full"]


def _closest_first(item: pytest.Item) -> list[pytest.Mark]:
    """The markers in pytest's order, except that those of `pytest.param` come first."""
    parameters = getattr(getattr(item, "callspec", None), "marks", ())
    return sorted(item.iter_markers("sandbox"), key=lambda mark: mark not in parameters)


def problems(item: pytest.Item) -> Iterator[str]:
    """What is invalid in the markers of a test, a line for each."""
    for mark in _closest_first(item):
        if mark.args:
            yield (
                f"@pytest.mark.sandbox takes keywords only, not {mark.args!r}; "
                "to start a command of your own, call sandbox_factory"
            )
        for key, value in mark.kwargs.items():
            if problem := problem_with(key, value):
                yield f"@pytest.mark.sandbox({key}={value!r}): {problem}"


def problem_with(key: str, value: object) -> str:
    """Why a keyword of the marker is invalid; empty if it is valid."""
    if key in _NOT_YET:
        return f"{key} is not available yet"
    if key not in _CHECKS:
        known = did_you_mean(key, _CHECKS) or f"there are {', '.join(_CHECKS)}"
        return f"there is no key {key!r}; {known}"
    expected, fits = _CHECKS[key]
    if (value is None and key not in _NEVER_NONE) or fits(value):
        return ""
    from .marker_reasons import reason

    return f"{key} must be {expected}, not {type(value).__name__} {value!r}{reason(key, value)}"


def _is_number(value: object, kind: type | tuple[type, ...] = (int, float)) -> bool:
    """Whether it is a number above zero; `True` is not one, though Python says so."""
    return isinstance(value, kind) and not isinstance(value, bool) and value > 0  # type: ignore[operator]


def _is_request(value: object, kind: type | tuple[type, ...]) -> bool:
    """Whether it is an amount, or a pair of an amount to ask for and a limit."""
    if isinstance(value, tuple):
        return len(value) == 2 and all(_is_number(each, kind) for each in value)
    return _is_number(value, kind)


def _is_env(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and isinstance(text, str | None) for name, text in value.items()
    )


def _is_collection(value: object) -> bool:
    return isinstance(value, list | tuple | set | frozenset)


def _are_networks(value: object) -> bool:
    return isinstance(value, list | tuple) and all(_is_network(text) for text in value)


def _is_network(value: object) -> bool:
    from pytest_sandbox._shared.network.cidrs import parse_cidr  # it imports `ipaddress`

    try:
        parse_cidr(value)
    except ValueError:
        return False
    return True


def _are_domains(value: object) -> bool:
    return isinstance(value, list | tuple) and all(is_pattern(name) for name in value)


def _is_network_or_name(value: object) -> bool:
    if isinstance(value, str):
        return value in ("none", "open", OWN)
    return type(value).__name__ == "SandboxNetwork"


def _are_aliases(value: object) -> bool:
    names = value if isinstance(value, list | tuple) else [value]
    return not any(problem_with_alias(name) for name in names)


def _are_ports(value: object) -> bool:
    return isinstance(value, list | tuple | set | frozenset) and all(
        _is_number(port, int) and port < 65536 for port in value
    )


def _are_volumes(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        str(path).startswith("/") and hasattr(volume, "read_only") for path, volume in value.items()
    )


def _are_gpus(value: object) -> bool:
    try:
        parse(value)
    except ValueError:
        return False
    return True


_NETWORKS = ("a list of networks such as '192.0.2.0/24'", _are_networks)
_PORTS = ("a list of ports from 1 to 65535", _are_ports)

#: What each key must be, as a description and as a check. The client, the server and the engine
#: judge what a value means; these checks find mistakes before any test runs.
_CHECKS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "alias": ("a name such as 'db', or a list of such", _are_aliases),
    "block_network": ("True or False", lambda value: isinstance(value, bool)),
    "cidr_allowlist": _NETWORKS,
    "cpu": (
        "a number of cores above 0, or a pair (request, limit)",
        lambda value: _is_request(value, (int, float)),
    ),
    "encrypted_ports": _PORTS,
    "env": ("a dict of strings", _is_env),
    "gpu": (
        "a kind of GPU, as in 'H100' or 'H100:2', or a list of such",
        _are_gpus,
    ),
    "h2_ports": _PORTS,
    "inbound_cidr_allowlist": _NETWORKS,
    "idle_timeout": ("a whole number of seconds above 0", lambda value: _is_number(value, int)),
    "image": (
        "an image, a snapshot, 'host', or a name such as 'alpine:3.21'",
        lambda value: (
            hasattr(value, "from_id") or (isinstance(value, str) and may_name_image(value))
        ),
    ),
    "isolation": ("'full'", lambda value: value == "full"),
    "memory": (
        "a whole number of MiB above 0, or a pair (request, limit)",
        lambda value: _is_request(value, int),
    ),
    "name": ("a string", lambda value: isinstance(value, str) and bool(value)),
    "network": ("'none', 'open', 'test' or a SandboxNetwork", _is_network_or_name),
    "outbound_cidr_allowlist": _NETWORKS,
    "outbound_domain_allowlist": ("a list of names such as 'example.com'", _are_domains),
    "project": ("True or False", lambda value: isinstance(value, bool)),
    "pty": ("True or False", lambda value: isinstance(value, bool)),
    "readiness_probe": (
        "a Probe, as in Probe.with_tcp(8000)",
        lambda value: hasattr(value, "interval_ms"),
    ),
    "secrets": ("a list of secrets", _is_collection),
    "timeout": ("a whole number of seconds above 0", lambda value: _is_number(value, int)),
    "unencrypted_ports": _PORTS,
    "verbose": ("True or False", lambda value: isinstance(value, bool)),
    "volumes": ("a dict of volumes by absolute path", _are_volumes),
    "workdir": (
        "an absolute path",
        lambda value: isinstance(value, str) and value.startswith("/"),
    ),
}
