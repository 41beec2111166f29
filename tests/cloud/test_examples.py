"""Examples of this project, unchanged, on the server that plays the cloud, as docs/cloud.md counts.

Those that take less than some seconds, in one run; their sandboxes are real, on this machine.
"""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from pathlib import Path

TOP = Path(__file__).parents[2]
#: Rows of the table: an example, and how many of its tests pass.
_ROW = re.compile(r"^\| `(\w+)` \| (\d+) of (\d+) \| (.*?) ?\|$", re.MULTILINE)
COUNTS = {
    name: (int(passed), int(total), why)
    for name, passed, total, why in _ROW.findall((TOP / "docs" / "cloud.md").read_text())
}
QUICK = ("cli_tool", "web_server", "allow_list", "gpu_tool")


def test_all_are_counted() -> None:
    with_tests = {path.parent.name for path in (TOP / "examples").glob("*/test_*.py")}
    assert with_tests == {*COUNTS, "app_and_database", "two_machines"}


def test_examples(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    command = [sys.executable, "-m", "tests.support.cloud", "--", sys.executable, "-m", "pytest"]
    options = ["--sandbox-engine=modal", "-p", "no:cacheprovider", f"--junitxml={report}"]
    done = subprocess.run(
        [*command, *(f"examples/{name}" for name in QUICK), *options],
        cwd=TOP,
        env={name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.rstrip().endswith(" 0 of them left behind"), done.stdout
    ends: dict[str, Counter[str]] = defaultdict(Counter)
    refused = set()
    for case in ET.parse(report).iter("testcase"):
        name = case.attrib["classname"].split(".")[-2]
        found = case.find("failure") if case.find("error") is None else case.find("error")
        ends[name]["passed" if found is None else "not"] += 1
        if found is not None and "with --sandbox-engine=modal: " in (found.text or ""):
            refused.add(name)
    counted = {name: (each["passed"], sum(each.values())) for name, each in ends.items()}
    assert counted == {name: COUNTS[name][:2] for name in QUICK}, done.stdout
    assert refused == {name for name in QUICK if COUNTS[name][2]}, done.stdout
