"""What the end of a run says of values that were compared with nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_sandbox._shared.network.engine_address import place_of

from ..options import chosen_engine
from .marker import engines_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pytest


def test_of(item: pytest.Item) -> str:
    """The id of a test without its engine: the same on all engines."""
    engine = place_of(chosen_engine(item))
    # Other plugins may add parameters after that of the engine.
    for part, rest in ((f"[{engine}]", ""), (f"-{engine}]", "]"), (f"[{engine}-", "[")):
        before, found, after = item.nodeid.rpartition(part)
        if found:
            return before + rest + after
    return item.nodeid.replace(f"-{engine}-", "-", 1)


def facts(item: pytest.Item, recorded: list[str]) -> dict[str, Any]:
    """What the controller of pytest-xdist needs to know of a test."""
    return {
        "test": test_of(item),
        "engine": place_of(chosen_engine(item)),
        "engines": engines_of(item),
        "names": recorded,
    }


def lines(reports: Iterable[Any], attribute: str) -> Iterator[str]:
    """A line for each test that recorded something on one engine only, with the reasons.

    Args:
        reports: of all tests on several engines.
        attribute: the attribute of a report that has the facts.
    """
    tests: dict[str, dict[str, list[Any]]] = {}
    engines: dict[str, list[str]] = {}
    for report in reports:
        fact = getattr(report, attribute)
        engines[fact["test"]] = fact["engines"]
        tests.setdefault(fact["test"], {}).setdefault(fact["engine"], []).append(report)
    for test, by_engine in tests.items():
        yield from _of_test(test, engines[test], by_engine, attribute)


def _of_test(
    test: str, engines: Sequence[str], by_engine: dict[str, list[Any]], attribute: str
) -> Iterator[str]:
    names = {
        engine: dict.fromkeys(
            name for report in reports for name in getattr(report, attribute)["names"]
        )
        for engine, reports in by_engine.items()
    }
    for engine, recorded in names.items():
        others = [other for other in engines if other != engine]
        alone = [
            name for name in recorded if not any(name in names.get(each, ()) for each in others)
        ]
        if alone and others:
            why = "; ".join(f"{other} {_outcome(by_engine.get(other, ()))}" for other in others)
            yield f"{test}: {', '.join(map(repr, alone))} on {engine}: {why}"


def _outcome(reports: Sequence[Any]) -> str:
    """The outcome of a test, as the end of a sentence that begins with its engine."""
    for report in reports:
        if report.failed:
            return "failed"
    for report in reports:
        if report.skipped:
            place = report.longrepr
            reason = place[2] if isinstance(place, tuple) else getattr(report, "wasxfail", "")
            return f"was skipped: {reason.removeprefix('Skipped: ')}"
    return "passed without" if reports else "did not run: it was not selected"
