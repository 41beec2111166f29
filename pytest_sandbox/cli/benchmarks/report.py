"""The figures as a table for people."""

from typing import Any

from .session import Bench


def render(bench: Bench) -> str:
    """All results as text: timings with their percentiles, then single figures."""
    lines = [_HEAD, "-" * len(_HEAD)]
    lines += [_timing(row) for row in bench.timings]
    lines += ["", *(_processor_time(row) for row in bench.processor_times)]
    lines += ["", *(_fact(row) for row in bench.facts)]
    if bench.skipped:
        lines += ["", *(f"not measured: {reason}" for reason in bench.skipped)]
    lines += ["", "left behind: " + (", ".join(bench.leftovers) or "nothing")]
    lines += ["versions: " + ", ".join(f"{k} {v}" for k, v in bench.versions.items())]
    return "\n".join(lines)


_HEAD = (
    f"{'milliseconds':<50} {'p50':>7} {'p95':>7} {'p99':>7} {'n':>5}  {'longest step':<16}"
    f" {'ratio':>6}  baseline (p50)"
)


def _timing(row: dict[str, Any]) -> str:
    longest = row["longest_step"]
    step = f"{longest['name']} {longest['p50_ms']:.1f}" if longest else ""
    return (
        f"{row['name']:<50} {row['p50_ms']:7.2f} {row['p95_ms']:7.2f} {row['p99_ms']:7.2f}"
        f" {row['n']:5}  {step:<16} {row['ratio']:5.1f}x  {row['baseline']}"
        f" ({row['baseline_p50_ms']:.2f})"
    )


def _processor_time(row: dict[str, Any]) -> str:
    return f"processor time: {row['name']:<60} {row['ms']:10.1f} ms"


def _fact(row: dict[str, Any]) -> str:
    return f"{row['name']:<76} {row['value']:10.1f} {row['unit']}"
