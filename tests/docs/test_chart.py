"""`docs/draw_chart.py` draws what bench measured."""

import re
import runpy
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "draw_chart.py"))
CHART = SCRIPT["CHARTS"]["snapshots"]
SVG = "{http://www.w3.org/2000/svg}"


def results(**milliseconds: float) -> dict[str, Any]:
    names = {label: name for name, (label, _) in CHART.bars.items()}
    rows = [
        {"name": names[label], "p50_ms": value, "baseline": "none", "baseline_p50_ms": 1.0}
        for label, value in milliseconds.items()
    ]
    return {"timings": rows, "versions": {"machine": "m < n"}}


@pytest.fixture
def chart() -> ElementTree.Element:
    timings = {
        "files, docker commit + run": 348.4,
        "files": 12.3,
        "PostgreSQL, set up again": 1002.0,
    }
    return ElementTree.fromstring(SCRIPT["draw"](results(**timings), CHART))


def test_the_bars_are_sorted(chart: ElementTree.Element) -> None:
    values = [each.text for each in chart.iter(f"{SVG}text") if each.text and " ms" in each.text]

    assert values == ["12 ms", "348 ms", "1,002 ms"]


def test_a_longer_time_has_a_longer_bar(chart: ElementTree.Element) -> None:
    bars = [each for each in chart.iter(f"{SVG}rect") if each.get("class") != "page"]
    widths = [float(each.attrib["width"]) for each in bars]

    assert widths == sorted(widths)
    assert [each.get("class") for each in bars] == ["ours", "other", "other"]


def test_everything_is_inside(chart: ElementTree.Element) -> None:
    width, height = map(float, chart.attrib["viewBox"].split()[2:])
    for each in chart.iter(f"{SVG}text"):
        assert 0 < float(each.attrib["x"]) < width - 50
        assert 0 < float(each.attrib["y"]) < height


def test_the_picture_has_the_bars_of_the_script() -> None:
    picture = (Path(__file__).parents[2] / "docs" / "snapshots.svg").read_text()

    assert {label for label, _ in CHART.bars.values()} <= set(re.findall(r">([^<]+)<", picture))
