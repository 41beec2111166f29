"""The figures of `docs/performance.md` and of the charts are those of one run of bench."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"
RESULTS = json.loads((DOCS / "performance.json").read_text())


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(str(DOCS))
    return runpy.run_path(str(DOCS / "write_performance.py"))


def test_pages_and_charts_have_the_stored_figures(script: dict[str, Any]) -> None:
    for name, text in script["written"](RESULTS).items():
        assert (DOCS / name).read_text() == text, f"python docs/write_performance.py writes {name}"


def test_what_is_stored_is_what_the_page_needs(script: dict[str, Any]) -> None:
    samples = {"samples_ms": [1.0], "p99_ms": 2.0, "p50_ms": 1.23456}
    row = {"name": "terminate", "n": 1, "p95_ms": 2.0, "baseline": "b", "baseline_p50_ms": 1.0}
    results = {
        "timings": [{**row, **samples}, {**row, **samples, "name": "gpu: lease"}],
        "facts": [],
        "versions": {},
    }

    assert script["what_is_stored"](results) == {
        "timings": [{**row, "p50_ms": 1.23}],
        "facts": [],
        "versions": {},
    }
