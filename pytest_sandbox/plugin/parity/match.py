"""The fixture `parity`: compares what a test finds on one engine with what it finds on another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox._shared.network.engine_address import place_of

from ..declarations import ENGINES_MARKER
from ..engine import ENGINE
from ..options import chosen_engine
from .differences import NotPlain, described, plain
from .part import PASSED, RECORDED
from .report import test_of
from .store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__tracebackhide__ = True  # a failing test shows its own lines, not these


class Parity:
    """Compares the values of a test with those of the same test on other engines.

    Attributes:
        engine: the name of the engine of this test: `"local"`, `"fake"`, ...
    """

    def __init__(self, engine: str, store: Store, recorded: list[str]) -> None:
        self.engine = engine
        self._store = store
        self._recorded = recorded

    def match(
        self,
        name: str,
        value: object,
        *,
        tolerance: float = 0,
        normalize: Callable[[Any], object] | None = None,
    ) -> None:
        """Record a value, and compare it with that of the first other engine that has recorded one.

        Args:
            name: of the value; each name once in a test.
            value: text, bytes, a number, `None`, or lists, tuples and dicts of such.
            tolerance: how far numbers may be apart, in their own unit.
            normalize: makes a value of one that differs from engine to engine, such as one with
                times or ids: takes the value and returns the one to compare.

        Raises:
            pytest.fail.Exception: the values differ, the name was used before, or the value is of
                another type.
        """
        __tracebackhide__ = True
        if name in self._recorded:
            pytest.fail(f"parity.match({name!r}): the test has used this name before")
        if normalize is not None:
            value = normalize(value)
        try:
            mine = plain(value)
        except NotPlain as error:
            pytest.fail(f"parity.match({name!r}): {error}")
        self._recorded.append(name)
        other = self._store.record(self.engine, name, mine)
        if other is None:
            return
        engine, theirs = other
        if text := described((engine, theirs), (self.engine, mine), tolerance):
            pytest.fail(f"parity.match({name!r}): {engine} and {self.engine} differ\n{text}")


def parity_of_test(item: pytest.Item) -> Iterator[Parity]:
    """What compares the values of a test, while it is in use."""
    if not chosen_engine(item):
        pytest.fail(
            "parity compares engines: mark the test with "
            f"@pytest.mark.{ENGINES_MARKER}('local', 'fake')",
            pytrace=False,
        )
    engine = place_of(chosen_engine(item))
    folder = item.config.stash[ENGINE].run().directory / "parity"
    store = Store(folder, test_of(item))
    store.begin(engine)
    recorded = item.stash[RECORDED] = []
    yield Parity(engine, store, recorded)
    if item.stash.get(PASSED, False):
        _check_names(engine, set(recorded), store.finish(engine))


def _check_names(engine: str, mine: set[str], others: dict[str, set[str]]) -> None:
    """Refuse values that only one of two engines has, on both of which the test passed."""
    for other, theirs in others.items():
        if mine != theirs:
            sides = ((engine, mine - theirs), (other, theirs - mine))
            only = [
                f"{', '.join(map(repr, sorted(names)))} on {at}" for at, names in sides if names
            ]
            pytest.fail(
                f"parity: the test passed on {other} and {engine}, but recorded only "
                f"{' and only '.join(only)}",
                pytrace=False,
            )
