"""Measures two versions in turn, and compares what they measured."""

import contextlib
from collections.abc import Callable, Sequence
from statistics import fmean, median
from typing import Any, TypeAlias

from ..samples import percentile
from .environment import Environment, own_environment
from .measured_version import MeasuredVersion, VersionFailed
from .ratio import Ratio, ratio

#: How often both start anew. Two processes of one version differ too, by where they happen to have
#: their memory: by some hundredths, however often one of them is measured.
ROUNDS = 8
#: What this version and the other one answered.
_Pair: TypeAlias = tuple[dict[str, Any], dict[str, Any]]
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
        settings: the arguments of `Bench`; each of `ROUNDS` rounds has its part of the samples,
            of which there must be as many.
        progress: called with the name of each figure before it is measured.

    Returns:
        The comparison, of what JSON knows. If a version failed in the middle, "failed" says how,
        and the rest is of what was measured till then.

    Raises:
        VersionFailed: one of them failed before any figure was measured.
    """
    result: dict[str, Any] = {"rows": [], "not_compared": [], "left_behind": [], "failed": None}
    measured: dict[str, list[_Pair]] = {name: [] for name in figures}
    try:
        _measure(result, measured, other, settings, progress)
    except VersionFailed as error:
        if not any(measured.values()):
            raise
        result["failed"] = str(error)
    for name, rounds in measured.items():
        _add(result, name, rounds)
    return result


def _measure(
    result: dict[str, Any],
    measured: dict[str, list[_Pair]],
    other: Environment,
    settings: dict[str, int],
    progress: Callable[[str], None],
) -> None:
    """Add what each round measures, and what is known of the versions."""
    each = {**settings, "samples": settings["samples"] // ROUNDS}
    for number in range(1, ROUNDS + 1):
        with contextlib.ExitStack() as stack:
            versions = [
                stack.enter_context(MeasuredVersion(name, environment, each))
                for name, environment in (("this", own_environment()), ("other", other))
            ]
            result |= {version.name: version.about for version in versions}
            for name, rounds in measured.items():
                if not any("failed" in answer for pair in rounds for answer in pair):
                    progress(f"{name}, round {number} of {ROUNDS}")
                    rounds.append(_in_turn(versions, name, this_first=number % 2 == 1))
            for version in versions:
                result["left_behind"] += version.finish()


def _in_turn(versions: Sequence[MeasuredVersion], figure: str, *, this_first: bool) -> _Pair:
    """What each measured. Only one of them works at a time, and neither is always the first."""
    order = [0, 1] if this_first else [1, 0]
    answers: list[dict[str, Any]] = [{}, {}]
    for number in order:
        answers[number] = versions[number].begin(figure)
    while any("turn" in answer for answer in answers):
        for number in order:
            if "turn" in answers[number]:
                answers[number] = versions[number].go_on()
        order.reverse()
    return answers[0], answers[1]


def _add(result: dict[str, Any], figure: str, rounds: Sequence[_Pair]) -> None:
    """Add the rows that both have, and say what one of them lacks."""
    reasons: dict[str, None] = {}
    for this, other in rounds:
        for whose, answer in (("this version", this), ("the other version", other)):
            if "failed" in answer:
                reasons[f"{figure}: {whose} cannot: {answer['failed']}"] = None
            reasons |= dict.fromkeys(answer.get("skipped", ()))
    result["not_compared"] += reasons
    complete = [pair for pair in rounds if not any("failed" in answer for answer in pair)]
    for kind, compared in (
        ("timings", _timing),
        ("processor_times", _processor_time),
        ("facts", _fact),
    ):
        for name, pairs in _by_name(complete, kind).items():
            result["rows"].append(compared(name, pairs))


def _by_name(rounds: Sequence[_Pair], kind: str) -> dict[str, list[_Pair]]:
    """The rows of a kind that both have, of each round, by their names."""
    found: dict[str, list[_Pair]] = {}
    for this, other in rounds:
        others = {row["name"]: row for row in other[kind]}
        for row in this[kind]:
            if row["name"] in others:
                found.setdefault(row["name"], []).append((row, others[row["name"]]))
    return found


def _timing(name: str, rounds: Sequence[_Pair]) -> dict[str, Any]:
    """The medians of all samples; the ratio is of those of each round."""
    samples = (
        [ms for row in rows for ms in row["samples_ms"]] for rows in zip(*rounds, strict=True)
    )
    this, other = (percentile(each, 0.50) for each in samples)
    return _row("time", name, this, other, _ratio_of(rounds, "p50_ms"), "ms")


def _processor_time(name: str, rounds: Sequence[_Pair]) -> dict[str, Any]:
    this, other = (fmean(row["ms"] for row in rows) for rows in zip(*rounds, strict=True))
    return _row("processor time", name, this, other, _ratio_of(rounds, "ms"), "ms")


def _fact(name: str, rounds: Sequence[_Pair]) -> dict[str, Any]:
    this, other = (median(row["value"] for row in rows) for rows in zip(*rounds, strict=True))
    unit: str = rounds[0][0]["unit"]
    return _row("figure", name, this, other, _ratio_of(rounds, "value"), unit)


def _ratio_of(rounds: Sequence[_Pair], key: str) -> Ratio | None:
    return ratio([this[key] for this, _ in rounds], [other[key] for _, other in rounds])


def _row(
    kind: str, name: str, this: float, other: float, found: Ratio | None, unit: str
) -> dict[str, Any]:
    return {
        "kind": kind,
        "name": name.strip(),
        "unit": unit,
        "this": this,
        "other": other,
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
