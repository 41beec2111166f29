"""A comparison as a table for people."""

from typing import Any

from .ratio import CONFIDENCE

_HEAD = (
    f"{'':<52} {'this':>9} {'other':>9} {'':<10}  {'ratio':>5}"
    f"  {f'{CONFIDENCE:.0%} interval':<14} verdict"
)


def render_comparison(result: dict[str, Any]) -> str:
    """The result of `compare` as text."""
    lines = [f"{side}: {_about(result[side])}" for side in ("this", "other")]
    for kind, title in (
        ("time", "time, p50"),
        ("processor time", "processor time of a cycle, all processes together"),
        ("figure", "other figures"),
    ):
        rows = [row for row in result["rows"] if row["kind"] == kind]
        if rows:
            lines += ["", f"{title:<52}{_HEAD[52:]}", "-" * len(_HEAD), *map(_row, rows)]
    lines += ["", "The ratio is this version's to the other's: below 1, this version takes less."]
    if result["not_compared"]:
        lines += ["", *(f"not compared: {reason}" for reason in result["not_compared"])]
    lines += ["", "left behind: " + (", ".join(result["left_behind"]) or "nothing")]
    return "\n".join(lines)


def _about(side: dict[str, Any]) -> str:
    versions = side["versions"]
    return (
        f"pytest-sandbox {versions['pytest-sandbox']} in {side['location']}"
        f" (Python {versions['python']}, grpclib {versions['grpclib']},"
        f" protobuf {versions['protobuf']})"
    )


def _row(row: dict[str, Any]) -> str:
    found = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
    interval = "" if row["low"] is None else f"{row['low']:.2f} to {row['high']:.2f}"
    return (
        f"{row['name']:<52} {row['this']:9.2f} {row['other']:9.2f} {row['unit']:<10}  {found:>5}"
        f"  {interval:<14} {row['verdict']}"
    )
