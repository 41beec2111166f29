"""Measures two versions in turn, and compares what they measured."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from ..session import BLOCKS
from .environment import Environment, own_environment
from .measured_version import MeasuredVersion
from .ratio import Ratio, block_medians, ratio

#: The units of which more is better.
_RATES = ("per second", "MB/s")


def compare(
    other: Environment,
    figures: Sequence[str],
    settings: dict[str, int],
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Measure figures of this version and of another one, in turn.

    Args:
        other: where the other version is.
        figures: their names.
        settings: the arguments of `Bench`.
        progress: called with the name of each figure before it is measured.

    Returns:
        The comparison, of what JSON knows.

    Raises:
        VersionFailed: one of them cannot be measured at all.
    """
    result: dict[str, Any] = {"rows": [], "not_compared": [], "left_behind": []}
    with contextlib.ExitStack() as stack:
        sides = [
            stack.enter_context(MeasuredVersion(name, environment, settings))
            for name, environment in (("this", own_environment()), ("other", other))
        ]
        result |= {side.name: side.about for side in sides}
        for name in figures:
            progress(name)
            _add(result, name, *_in_turn(sides, name))
        for side in sides:
            result["left_behind"] += side.finish()
    return result


def _in_turn(sides: Sequence[MeasuredVersion], figure: str) -> list[dict[str, Any]]:
    """What each side measured. Only one of them works at a time, and none is always the first."""
    answers = [side.begin(figure) for side in sides]
    order = list(range(len(sides)))
    while any("turn" in answer for answer in answers):
        for number in order:
            if "turn" in answers[number]:
                answers[number] = sides[number].go_on()
        order.reverse()
    return answers


def _add(result: dict[str, Any], figure: str, this: dict[str, Any], other: dict[str, Any]) -> None:
    """Add the rows that both have, and say what one of them lacks."""
    reasons = [
        f"{figure}: {whose} cannot: {side['failed']}"
        for whose, side in (("this version", this), ("the other version", other))
        if "failed" in side
    ]
    for side in (this, other):
        reasons += [each for each in side.get("skipped", ()) if each not in reasons]
    result["not_compared"] += reasons
    if "failed" in this or "failed" in other:
        return
    for kind, compared in (
        ("timings", _timing),
        ("processor_times", _processor_time),
        ("facts", _fact),
    ):
        others = {row["name"]: row for row in other[kind]}
        for row in this[kind]:
            if row["name"] in others:
                result["rows"].append(compared(row, others[row["name"]]))


def _timing(this: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    blocks = [block_medians(row["samples_ms"], BLOCKS) for row in (this, other)]
    return _row("time", this, other, "p50_ms", ratio(*blocks), "ms")


def _processor_time(this: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return _row("processor time", this, other, "ms", ratio(this["blocks"], other["blocks"]), "ms")


def _fact(this: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    found = ratio(this["values"], other["values"])
    return _row("figure", this, other, "value", found, this["unit"])


def _row(
    kind: str,
    this: dict[str, Any],
    other: dict[str, Any],
    key: str,
    found: Ratio | None,
    unit: str,
) -> dict[str, Any]:
    return {
        "kind": kind,
        "name": this["name"].strip(),
        "unit": unit,
        "this": this[key],
        "other": other[key],
        "ratio": found and found.value,
        "low": found and found.low,
        "high": found and found.high,
        "verdict": _verdict(found, more_is_better=unit in _RATES),
    }


def _verdict(found: Ratio | None, *, more_is_better: bool) -> str:
    if found is None or found.differs is None:
        return "too few to say"
    if not found.differs:
        return "no difference"
    return "better" if (found.value > 1) == more_is_better else "worse"
