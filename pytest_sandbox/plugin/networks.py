"""Networks of sandboxes: the fixture `sandbox_network`, and the network that each test has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_sandbox.client import SandboxNetwork

#: As `network=`: the network of the test, in which all sandboxes are that say so.
OWN = "test"
_NETWORK = pytest.StashKey["SandboxNetwork"]()


@pytest.fixture
def sandbox_network() -> Callable[[], SandboxNetwork]:
    """Each call makes a network, for `sandbox_factory(network=net, alias="db")`."""
    from pytest_sandbox.client import SandboxNetwork

    return SandboxNetwork


def placed(spec: Mapping[str, Any], item: pytest.Item) -> dict[str, Any]:
    """Keywords of `Sandbox.create`, with the network of a test where that is asked for."""
    if spec.get("network") != OWN:
        return dict(spec)
    if _NETWORK not in item.stash:
        from pytest_sandbox.client import SandboxNetwork

        item.stash[_NETWORK] = SandboxNetwork()
    return {**spec, "network": item.stash[_NETWORK]}


def without_own(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords for a sandbox of no test, with which a template is prepared."""
    if spec.get("network") != OWN:
        return dict(spec)
    return {key: value for key, value in spec.items() if key not in ("network", "alias")}
