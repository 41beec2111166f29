"""Measures one version; run by its Python, and told by `measured_version` what and when.

Both write lines of JSON. Each figure is asked for with `{"figure": name}`. Before each block of its
cycles the worker says `{"turn": true}` and waits for a line; in the end it says what it measured,
or why it failed.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, TextIO

import pytest_sandbox

from .. import figure
from ..session import Bench, versions

#: Ends the process quietly, as a shell does that was interrupted.
_INTERRUPTED = 130


def main() -> None:
    """Measure what standard input asks for, until it ends."""
    # What the figures print, and their children, must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        _measure_all(answers, **json.loads(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def _measure_all(answers: TextIO, samples: int, live: int) -> None:
    def say(message: dict[str, Any]) -> None:
        print(json.dumps(message), file=answers, flush=True)

    def turn() -> None:
        say({"turn": True})
        if not sys.stdin.readline():
            raise KeyboardInterrupt

    with Bench(samples=samples, live=live, turn=turn) as bench:
        say({"versions": versions(), "location": str(Path(pytest_sandbox.__file__).parent)})
        for line in iter(sys.stdin.readline, "\n"):
            say(_measured(bench, json.loads(line)["figure"]))
        bench.finish()
        say({"left_behind": bench.leftovers})


def _measured(bench: Bench, name: str) -> dict[str, Any]:
    """What a figure adds to the results."""
    before = {key: len(rows) for key, rows in _results(bench).items()}
    try:
        figure(name)(bench)
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}"}
    return {key: rows[before[key] :] for key, rows in _results(bench).items()}


def _results(bench: Bench) -> dict[str, list[Any]]:
    return {
        "timings": bench.timings,
        "processor_times": bench.processor_times,
        "facts": bench.facts,
        "skipped": bench.skipped,
    }
