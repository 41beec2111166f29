"""Networks of sandboxes: those that a test names, and the one that each test has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .fakes import is_faked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_sandbox.client import SandboxNetwork

#: As `network=`: the network of the test, in which all sandboxes are that say so.
OWN = "test"
_NETWORK = pytest.StashKey["SandboxNetwork"]()
#: The template of the first sandbox in each network of a test; empty if it was not a copy.
_FIRST = pytest.StashKey["dict[SandboxNetwork, str]"]()


def placed(spec: Mapping[str, Any], item: pytest.Item, *, copy_of: str = "") -> dict[str, Any]:
    """Keywords of `Sandbox.create`, with the network of a test where that is asked for.

    Args:
        spec: the keywords.
        item: the test.
        copy_of: the template, if the sandbox is a copy of one.

    Raises:
        pytest.fail.Exception: the network has sandboxes of another engine.
    """
    placed = dict(spec)
    if spec.get("network") == OWN:
        placed["network"] = _own(item)
    network = placed.get("network")
    if network is not None and not isinstance(network, str) and is_faked(item):
        _check_engine(network, item, copy_of)
    return placed


def _own(item: pytest.Item) -> SandboxNetwork:
    if _NETWORK not in item.stash:
        from pytest_sandbox.client import SandboxNetwork

        item.stash[_NETWORK] = SandboxNetwork()
    return item.stash[_NETWORK]


def _check_engine(network: SandboxNetwork, item: pytest.Item, copy_of: str) -> None:
    """Refuse a network of two engines, whose sandboxes could not see each other."""
    first = item.stash.setdefault(_FIRST, {}).setdefault(network, copy_of)
    if bool(first) != bool(copy_of):
        pytest.fail(
            f"the copy of the template {first or copy_of!r} comes from the engine of the run, and "
            "the other sandboxes of this test from its own engine in memory, so they cannot be in "
            "one network; prepare it with sandbox_factory in the test instead of a template, or "
            "test without fake_sandboxes and --sandbox-engine=fake",
            pytrace=False,
        )


def without_own(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords for a sandbox of no test, with which a template is prepared."""
    if spec.get("network") != OWN:
        return dict(spec)
    return {key: value for key, value in spec.items() if key not in ("network", "alias")}
