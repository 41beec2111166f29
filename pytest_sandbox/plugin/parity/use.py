"""The engine of a test that is not on the engine of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_sandbox._run import EngineStartError
from pytest_sandbox._shared.engine_options import CLOUD_ENGINE
from pytest_sandbox._shared.network.engine_address import place_of

from ..engine import session_of
from ..options import engine_of
from ..templates.pytest_internals import definitions, skip_of_test

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__tracebackhide__ = True  # a failing test shows its own lines, not these


def use_engine(item: pytest.Item) -> Iterator[None]:
    """Have a test use its engine.

    Raises:
        pytest.skip.Exception: the engine is not available here.
        EngineStartError: it was, and it died.
    """
    session, engine = session_of(item), engine_of(item)
    if engine == CLOUD_ENGINE:
        raise skip_of_test(
            f"the engine {engine!r} costs money: only --sandbox-engine={engine} uses it"
        )
    if session.connected is None:
        try:
            session.engine()
        except (EngineStartError, pytest.UsageError) as error:
            why = error.reason if isinstance(error, EngineStartError) else str(error)
            raise skip_of_test(
                f"the engine {place_of(engine)!r} is not available here: {why}"
            ) from None
    with session.in_use():
        yield


def first_of_function_scope(item: pytest.Item, names: Sequence[str]) -> int:
    """The place of the first fixture that is made anew for each test."""
    found = definitions(item)
    for place, name in enumerate(names):
        if name in found and found[name][-1].scope == "function":
            return place
    return len(names)
