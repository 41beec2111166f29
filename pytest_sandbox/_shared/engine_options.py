"""Engines as command lines and reports have them: names, and options `name=value`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The name of the engine that is Modal's cloud.
CLOUD_ENGINE = "modal"
#: What engines that do not isolate say of themselves, by name: in the header of a run, in reports
#: of failures, and to `doctor`.
NOT_ISOLATED = {
    "process": (
        "NO ISOLATION of files, processes, users and network: programs run on this machine itself"
    )
}
#: The capability that they lack, and the name of that sentence in their details.
ISOLATION = "isolation"
#: Has the token of an engine on another machine, for the engine process of a run. The arguments of
#: that have the address without it: every user of this machine can read them.
TOKEN_VARIABLE = "PYTEST_SANDBOX_ENGINE_TOKEN"  # noqa: S105  # a name, not a token


#: The name of the engine that is a cluster of Ray: by itself, or before `://` and an address.
RAY = "ray"


def is_elsewhere(engine: str) -> bool:
    """Whether the sandboxes of an engine are on other machines of the user's: not in the cloud."""
    return engine == RAY or "://" in engine


def parse_engine_options(texts: Iterable[str]) -> dict[str, str]:
    """Options by name; the value is everything after the first `=`, and may be empty.

    Raises:
        ValueError: a text is not `name=value`, or a name is given twice.
    """
    options: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"expected name=value, not {text!r}")
        if name.strip() in options:
            raise ValueError(f"{name.strip()!r} is given twice")
        options[name.strip()] = value
    return options
