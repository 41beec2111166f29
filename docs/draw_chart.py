"""Draws `snapshots.svg` from what `pytest-sandbox bench --json` printed.

    pytest-sandbox bench --json > bench.json
    python docs/draw_chart.py bench.json docs/snapshots.svg

Needs `pip install -e '.[charts]'`. Containers are in it where they were measured: bench
says which of them it could not, and why.
"""

import argparse
import json
from pathlib import Path
from typing import Any

OURS, OTHERS = "#2f7d5b", "#9a9a9a"
#: Name of a timing of bench -> what the chart calls it, and its colour.
BARS = {
    "restore -> first output, from the pool": ("files, made ready ahead", OURS),
    "restore -> first output": ("files", OURS),
    "restore -> first output, 500 MB": ("files, 500 MB of them", OURS),
    "memory restore -> answer, Python, 100 MB": ("running Python server, 100 MB", OURS),
    "memory restore -> answer, Python, 500 MB": ("running Python server, 500 MB", OURS),
    "memory restore -> answer, redis": ("running redis", OURS),
    "memory restore -> answer, PostgreSQL": ("running PostgreSQL, 200,000 rows", OURS),
    "PostgreSQL set up -> answer": ("PostgreSQL, set up again", OTHERS),
    "podman commit + run -> output": ("files, podman commit + run", OTHERS),
    "docker commit + run -> output": ("files, docker commit + run", OTHERS),
}


def main() -> None:
    """Draw the chart that the command line asks for."""
    parser = argparse.ArgumentParser(description="Draw what bench measured.")
    parser.add_argument("results", type=Path, help="what bench --json printed")
    parser.add_argument("chart", type=Path, help="where to write the chart, an SVG file")
    args = parser.parse_args()
    draw(json.loads(args.results.read_text()), args.chart)


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw the bars that there are figures for."""
    import matplotlib
    import matplotlib.pyplot as plt

    timings = {row["baseline"]: row["baseline_p50_ms"] for row in results["timings"]}
    timings |= {row["name"]: row["p50_ms"] for row in results["timings"]}
    bars = [
        (label, timings[name], colour) for name, (label, colour) in BARS.items() if name in timings
    ]
    bars.reverse()  # the first one on top
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "pytest-sandbox", "font.size": 10})
    figure, axes = plt.subplots(figsize=(8, 0.42 * len(bars) + 1.1), layout="constrained")
    labels, values, colours = zip(*bars, strict=True)
    drawn = axes.barh(labels, values, color=colours, height=0.66)
    axes.bar_label(drawn, [f"{value:,.0f} ms" for value in values], padding=4)
    axes.set_xscale("log")
    axes.set_xlim(1, max(values) * 2.2)
    axes.set_title("From a prepared machine to its first answer in a test", loc="left")
    axes.set_xlabel(f"milliseconds, median ({results['versions']['machine']})")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
