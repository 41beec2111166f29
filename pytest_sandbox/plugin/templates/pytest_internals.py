"""All that this plugin uses of pytest's private API, for which there is nothing public."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def definitions(item: pytest.Item) -> Mapping[str, Sequence[pytest.FixtureDef[Any]]]:
    """The fixtures that a test takes, each with those that it overrides, itself last."""
    # Items of other plugins need not have it.
    info: Any = getattr(item, "_fixtureinfo", None)
    return info.name2fixturedefs if info is not None else {}


def skip_of_test(reason: str) -> BaseException:
    """What skips a test, and shows its own place in reports, not that of a plugin."""
    return pytest.skip.Exception(reason, _use_item_location=True)


def parameter_ids(item: pytest.Item) -> Mapping[str, str]:
    """For each parameter of a test its part of the id; empty where several have one together."""
    callspec: Any = getattr(item, "callspec", None)
    ids: Sequence[str] = getattr(callspec, "_idlist", ())
    if not ids or len(ids) != len(callspec.params):
        return {}  # parameters that are declared together, or hidden, have fewer ids than names
    return dict(zip(callspec.params, ids, strict=True))


def register_fixture(
    node: pytest.Module,
    name: str,
    function: Callable[..., object],
    *,
    params: Sequence[object] | None,
    ids: Any,
) -> None:
    """Add a fixture of session scope that is visible in a test module."""
    if hasattr(pytest, "register_fixture"):  # since pytest 9.1
        pytest.register_fixture(
            name=name, func=function, node=node, scope="session", params=params, ids=ids
        )
        return
    holder: Any = types.ModuleType(node.nodeid)
    holder.fixture = pytest.fixture(scope="session", name=name, params=params, ids=ids)(function)
    manager: Any = node.session._fixturemanager  # noqa: SLF001 - the only way before pytest 9.1
    manager.parsefactories(holder, node.nodeid)
