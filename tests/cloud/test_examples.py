"""Examples of this project, unchanged, on the server that plays the cloud, as docs/cloud.md counts.

Those that take less than some seconds; their sandboxes are real, on this machine.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
#: Rows of the table: an example, and how many of its tests pass.
_ROW = re.compile(r"^\| `(\w+)` \| (\d+) of (\d+) \| (.*?) ?\|$", re.MULTILINE)
COUNTS = {
    name: (int(passed), int(total), why)
    for name, passed, total, why in _ROW.findall((TOP / "docs" / "cloud.md").read_text())
}


def test_all_are_counted() -> None:
    with_tests = {path.parent.name for path in (TOP / "examples").glob("*/test_*.py")}
    assert with_tests == {*COUNTS, "app_and_database", "two_machines"}


@pytest.mark.parametrize("name", ["cli_tool", "web_server", "allow_list", "gpu_tool"])
def test_an_example(name: str) -> None:
    passed, total, why = COUNTS[name]
    command = [sys.executable, "-m", "tests.support.cloud", "--", sys.executable, "-m", "pytest"]
    done = subprocess.run(
        [*command, f"examples/{name}", "--sandbox-engine=modal", "-p", "no:cacheprovider"],
        cwd=TOP,
        env={name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"},
        capture_output=True,
        text=True,
        check=False,
    )

    said = done.stdout
    *_, summary, sandboxes = said.rstrip().splitlines()
    counts = {
        kind: int(count) for count, kind in re.findall(r"(\d+) (passed|failed|error)", summary)
    }
    assert counts.get("passed") == passed, said
    assert sum(counts.values()) == total, said
    assert sandboxes.endswith(" 0 of them left behind"), said
    assert bool(why) == ("with --sandbox-engine=modal: " in said)
