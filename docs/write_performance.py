"""Writes the figures of `performance.md` and the charts from what `pytest-sandbox bench` measured.

    pytest-sandbox bench --json > bench.json
    python docs/write_performance.py bench.json

They are stored in `performance.json`. Without an argument, pages and charts are written anew from
that file. The figures stand between comments in the pages; all other text is left alone. The chart
of `snapshots.md` is drawn if all of its bars were measured.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

from draw_chart import CHARTS, bars_of, draw, words_of

DOCS = Path(__file__).parent
BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)
#: What is stored of each row.
STORED = {
    "timings": ("name", "n", "p50_ms", "p95_ms", "baseline", "baseline_p50_ms"),
    "facts": ("name", "value", "unit"),
}
MORE = ("a further command", "end")
WAYS = {
    "subprocess": "a subprocess in a fresh folder",
    "pytest-sandbox, made ahead": "pytest-sandbox, made ahead",
    "pytest-sandbox": "pytest-sandbox",
    "bubblewrap": "bubblewrap, for each command",
    "podman": "podman",
    "docker": "docker",
    "testcontainers": "testcontainers",
}
#: How the names begin of what the tables of ways and of steps have.
TOLD = (*(f"{way}: " for way in WAYS), "steps: ", *CHARTS["snapshots"].bars, "memory restore")
#: Names of bench -> what the page calls them.
TIMINGS = {
    "create -> first output of echo": "create a sandbox, and the first output of a command in it",
    "create -> first output, 15 ms apart": "the same, 15 ms after another one of its kind",
    "set-up and teardown: sandbox": "the fixture `sandbox`, set-up and teardown together",
    "run /bin/true -> output, exit code": "`run`",
    "exec /bin/true -> exit code": "`exec`, `wait`",
    "exec echo -> output, exit code": "`exec`, `stdout.read`, `wait`",
    "file write + read": "write a small file and read it",
    "terminate": "`terminate`",
    "50 ended at once": "`terminate` of 50 at once",
    "restore -> first output": "restore a snapshot, and the first output of a command",
    "restore -> first output, 500 MB": "the same with 500 MB",
    "restore -> first output, from the pool": "the same, made ready ahead",
    "snapshot, 500 MB, idle": "snapshot of 500 MB, no process running",
    "memory restore -> answer, Python, 100 MB": "resume a Python server with 100 MB",
    "memory restore -> answer, PostgreSQL": "resume PostgreSQL with 200,000 rows",
    "fake: create + exec + read + wait + end": "the life of a sandbox in memory",
    "engine start": "start of the engine, once in a run",
    "pytest --collect-only": "`pytest --collect-only` of an empty project",
}
FACTS = {
    "50 concurrent create + exec + read + end": "50 at once: create, exec, read, end",
    "suite of 200 tests on one template": "200 tests on one template",
    "1000 tests, each with fake_sandboxes": "1,000 tests with sandboxes in memory",
    "memory of each of 500 live sandboxes": "memory of each of 500 live sandboxes",
    "stdout of one command, bytes": "output of one command",
}
STEPS = {"create -> first output": "create, first output", "run -> output, exit code": "`run`"}


def main() -> None:
    """Write what the command line asks for."""
    parser = argparse.ArgumentParser(description="Write the figures of performance.md.")
    parser.add_argument("results", type=Path, nargs="?", help="what bench --json printed")
    args = parser.parse_args()
    stored = DOCS / "performance.json"
    if args.results is not None:
        results = json.loads(args.results.read_text())
        stored.write_text(json.dumps(what_is_stored(results), indent=1) + "\n")
    results = json.loads(stored.read_text())
    for name, text in written(results).items():
        (DOCS / name).write_text(text)


def written(results: dict[str, Any]) -> dict[str, str]:
    """The pages and charts as they are with these results, by the names of their files."""
    files = {}
    for name, chart in CHARTS.items():
        if name == "performance" or len(bars_of(results, chart)) == len(chart.bars):
            files[f"{name}.svg"] = draw(results, chart)
            files[f"{name}.md"] = filled((DOCS / f"{name}.md").read_text(), name, results)
    return files


def what_is_stored(results: dict[str, Any]) -> dict[str, Any]:
    """The results without samples, and what the page does not need."""
    kept: dict[str, Any] = {
        kind: [
            {key: rounded(row[key]) for key in keys}
            for row in results[kind]
            if row["name"] in (*TIMINGS, *FACTS) or row["name"].startswith(TOLD)
        ]
        for kind, keys in STORED.items()
    }
    return {**kept, "versions": results["versions"]}


def rounded(value: Any) -> Any:
    """A number as exact as the page shows it, so that a new run changes few lines."""
    return round(value, 2) if isinstance(value, float) else value


def filled(page: str, name: str, results: dict[str, Any]) -> str:
    """The page of a chart with its figures in place of those that it had."""
    blocks = {
        "chart": picture(name, results),
        "machine": machine(results),
        "ways": ways(results),
        "timings": timings(results),
        "facts": facts(results),
        "steps": steps(results),
    }
    return BLOCK.sub(lambda found: f"{found[1]}{blocks[found[2]]}\n{found[3]}", page)


def picture(name: str, results: dict[str, Any]) -> str:
    """The chart, with its bars in words for those who do not see it."""
    words = words_of(bars_of(results, CHARTS[name]))
    return f"![Bars on a logarithmic scale, in milliseconds: {words}]({name}.svg)"


def machine(results: dict[str, Any]) -> str:
    """The machine, and the versions of all that was measured."""
    versions = dict(results["versions"])
    about = f"Linux {versions.pop('kernel')}, {versions.pop('machine')}"
    return f"| machine | {about} |\n|---|---|\n" + "\n".join(
        f"| {name} | {version} |" for name, version in versions.items()
    )


def ways(results: dict[str, Any]) -> str:
    """Each way of isolation, with what it takes to make one, use it and end it."""
    found = named(results["timings"])
    lines = ["| | create, first output | a further command | end | n |", "|---|---|---|---|---|"]
    for way, label in WAYS.items():
        first = found.get(f"{way}: create -> first output")
        if first is not None:
            more = (found.get(f"{way}: {what}") for what in MORE)
            cells = (ms(row["p50_ms"]) if row else "" for row in (first, *more))
            lines.append(f"| {label} | {' | '.join(cells)} | {first['n']} |")
    return "\n".join(lines)


def timings(results: dict[str, Any]) -> str:
    """Each figure beside its baseline."""
    found = named(results["timings"])
    lines = ["| | ms, p50 | p95 | n | beside it in the same run |", "|---|---|---|---|---|"]
    lines += [
        f"| {label} | {ms(row['p50_ms'])} | {ms(row['p95_ms'])} | {row['n']}"
        f" | {row['baseline']}: {ms(row['baseline_p50_ms'])} |"
        for name, label in TIMINGS.items()
        if (row := found.get(name)) is not None
    ]
    return "\n".join(lines)


def facts(results: dict[str, Any]) -> str:
    """The figures that are not milliseconds."""
    found = named(results["facts"])
    lines = ["| | |", "|---|---|"]
    lines += [
        f"| {label} | {row['value']:,.1f} {row['unit']} |"
        for name, label in FACTS.items()
        if (row := found.get(name)) is not None
    ]
    return "\n".join(lines)


def steps(results: dict[str, Any]) -> str:
    """What of a figure the engine takes, and the kernel of that."""
    found = named(results["timings"])
    plain = found["steps: create -> first output"]["baseline_p50_ms"]
    lines = ["| | ms, p50 |", "|---|---|"]
    for name, label in STEPS.items():
        whole, alone = (found[f"steps: {part}{name}"]["p50_ms"] for part in ("", "engine alone: "))
        lines.append(f"| **{label}**, by the client | {ms(whole)} |")
        lines.append(f"| of these in the engine | {ms(alone)} |")
        lines.append(f"| the rest: client, server, the way between them | {ms(whole - alone)} |")
    call = found["steps: a call that does nothing"]["p50_ms"]
    lines.append(f"| **a call that does nothing**, by the client | {ms(call)} |")
    lines += [
        f"| **the kernel alone: {name}**, above a process without | {ms(row['p50_ms'] - plain)} |"
        for name in ("namespaces", "namespaces and mounts")
        if (row := found.get(f"steps: kernel: {name}")) is not None
    ]
    return "\n".join(lines)


def named(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Rows by their names."""
    return {row["name"].strip(): row for row in rows}


def ms(value: float) -> str:
    """Milliseconds as exact as they matter."""
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"


if __name__ == "__main__":
    main()
