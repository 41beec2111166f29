"""Draws a chart of what `pytest-sandbox bench --json` printed.

    pytest-sandbox bench --json > bench.json
    python docs/draw_chart.py bench.json docs/snapshots.svg

The name of the file says which chart. What was not measured is not in it: bench says why. A chart
has a background of its own, and colours for light and for dark pages.
"""

import argparse
import json
import math
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Chart:
    """What a chart shows.

    Attributes:
        title: above it.
        bars: name of a timing of bench -> what the chart calls it, and whether it is one of ours.
    """

    title: str
    bars: dict[str, tuple[str, bool]]


CHARTS = {
    "snapshots": Chart(
        "From a prepared machine to its first answer in a test",
        {
            "restore -> first output, from the pool": ("files, made ready ahead", True),
            "restore -> first output": ("files", True),
            "restore -> first output, 500 MB": ("files, 500 MB of them", True),
            "memory restore -> answer, Python, 100 MB": ("running Python server, 100 MB", True),
            "memory restore -> answer, Python, 500 MB": ("running Python server, 500 MB", True),
            "memory restore -> answer, redis": ("running redis", True),
            "memory restore -> answer, PostgreSQL": ("running PostgreSQL, 200,000 rows", True),
            "PostgreSQL set up -> answer": ("PostgreSQL, set up again", False),
            "podman commit + run -> output": ("files, podman commit + run", False),
            "docker commit + run -> output": ("files, docker commit + run", False),
        },
    ),
    "performance": Chart(
        "From asking for a machine to the first output of echo in it",
        {
            "subprocess: create -> first output": ("a subprocess: no isolation", False),
            "pytest-sandbox, made ahead: create -> first output": (
                "pytest-sandbox, made ahead",
                True,
            ),
            "pytest-sandbox: create -> first output": ("pytest-sandbox", True),
            "bubblewrap: create -> first output": ("bubblewrap", False),
            "podman: create -> first output": ("podman", False),
            "docker: create -> first output": ("docker", False),
            "testcontainers: create -> first output": ("testcontainers", False),
        },
    ),
}
#: Pixels: of the whole, up to where the bars begin, of their longest, and of one row.
WIDTH, LEFT, LONGEST, ROW = 790, 280, 420, 30
TOP = 56

STYLE = """
    text { font: 14px system-ui, sans-serif; fill: #1f2328; }
    .title { font-size: 16px; font-weight: 600; }
    .small { font-size: 12px; fill: #59636e; }
    .page { fill: #ffffff; }
    .grid { stroke: #d1d9e0; }
    .ours { fill: #1f883d; }
    .other { fill: #9198a1; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; }
      .small { fill: #9198a1; }
      .page { fill: #0d1117; }
      .grid { stroke: #3d444d; }
      .ours { fill: #238636; }
      .other { fill: #656c76; }
    }
"""


def main() -> None:
    """Draw the chart that the command line asks for."""
    parser = argparse.ArgumentParser(description="Draw what bench measured.")
    parser.add_argument("results", type=Path, help="what bench --json printed")
    parser.add_argument("chart", type=Path, help="where to write the chart, an SVG file")
    args = parser.parse_args()
    chart = CHARTS.get(args.chart.stem)
    if chart is None:
        parser.error(f"no chart {args.chart.stem!r}; there are {', '.join(CHARTS)}")
    args.chart.write_text(draw(json.loads(args.results.read_text()), chart))


def draw(results: dict[str, Any], chart: Chart) -> str:
    """The chart as SVG: a bar for each figure there is, the fastest on top."""
    bars = bars_of(results, chart)
    bottom = TOP + ROW * len(bars)
    ends = 10 ** math.ceil(math.log10(bars[-1][0]))
    title = chart.title
    note = f"milliseconds, median, logarithmic scale ({results['versions']['machine']})"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 58}" role="img">',
        f"  <title>{title}</title>",
        f"  <desc>Milliseconds: {escape(words_of(bars))}</desc>",
        f"  <style>{STYLE}  </style>",
        f'  <rect class="page" width="{WIDTH}" height="{bottom + 58}" rx="8"/>',
        f'  <text class="title" x="20" y="32">{title}</text>',
        *(
            line
            for power in range(int(math.log10(ends)) + 1)
            for line in _mark(power, ends, bottom)
        ),
        *(
            line
            for row, (value, label, ours) in enumerate(bars)
            for line in _bar(TOP + ROW * row, value, label, ends, "ours" if ours else "other")
        ),
        f'  <text class="small" x="{LEFT}" y="{bottom + 44}">{escape(note)}</text>',
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def bars_of(results: dict[str, Any], chart: Chart) -> list[tuple[float, str, bool]]:
    """Milliseconds of each bar, what it is called and whether it is ours; the fastest first."""
    timings = {row["baseline"]: row["baseline_p50_ms"] for row in results["timings"]}
    timings |= {row["name"]: row["p50_ms"] for row in results["timings"]}
    return sorted((timings[name], *chart.bars[name]) for name in chart.bars if name in timings)


def words_of(bars: list[tuple[float, str, bool]]) -> str:
    """The bars in words."""
    return ", ".join(f"{label} {value:,.0f}" for value, label, _ in bars)


def _across(value: float, ends: float) -> float:
    """Pixels from 1 ms to a value."""
    return round(LONGEST * math.log10(max(value, 1)) / math.log10(ends), 1)


def _mark(power: int, ends: float, bottom: int) -> list[str]:
    x, value = LEFT + _across(10**power, ends), f"{10**power:,}"
    return [
        f'  <path class="grid" d="M{x} {TOP - 4} V{bottom + 4}"/>',
        f'  <text class="small" x="{x}" y="{bottom + 22}" text-anchor="middle">{value}</text>',
    ]


def _bar(y: int, value: float, label: str, ends: float, kind: str) -> list[str]:
    length, size = _across(value, ends), f'height="{ROW - 8}" rx="2"'
    return [
        f'  <text x="{LEFT - 10}" y="{y + 19}" text-anchor="end">{escape(label)}</text>',
        f'  <rect class="{kind}" x="{LEFT}" y="{y + 4}" width="{length}" {size}/>',
        f'  <text x="{LEFT + length + 8}" y="{y + 19}">{value:,.0f} ms</text>',
    ]


if __name__ == "__main__":
    main()
