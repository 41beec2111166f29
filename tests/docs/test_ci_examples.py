"""The workflow in `examples/ci` is one that runs, and the one that the documents show."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

yaml: Any = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[2]
FILE = ROOT / "examples" / "ci" / "github.yml"
DOCUMENT = (ROOT / "docs" / "ci.md").read_text()
#: What needs the machine of a runner, or the package index.
OF_THE_RUNNER = ("sudo ", "pip install ")
#: The keys of a step that these examples use.
KEYS = {"name", "uses", "with", "run", "if"}


@pytest.fixture
def workflow() -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load(FILE.read_text())
    return loaded


@pytest.fixture
def steps(workflow: dict[Any, Any]) -> list[dict[str, Any]]:
    (job,) = workflow["jobs"].values()
    found: list[dict[str, Any]] = job["steps"]
    return found


def test_it_has_what_a_workflow_must_have(workflow: dict[Any, Any]) -> None:
    assert set(workflow) == {"name", True, "permissions", "jobs"}  # YAML reads `on` as a boolean
    for job in workflow["jobs"].values():
        assert job["runs-on"]
        assert job["timeout-minutes"] > 0


def test_each_step_uses_an_action_or_runs_a_command(steps: list[dict[str, Any]]) -> None:
    for step in steps:
        assert set(step) <= KEYS
        assert ("uses" in step) != ("run" in step)


def test_actions_are_pinned_to_a_commit_with_its_release(steps: list[dict[str, Any]]) -> None:
    text = FILE.read_text()
    for action in (step["uses"] for step in steps if "uses" in step):
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", action)
        assert re.search(rf"{action} # v\d+\.\d+\.\d+$", text, re.MULTILINE)


def test_expressions_name_what_exists(workflow: dict[Any, Any]) -> None:
    (job,) = workflow["jobs"].values()
    known = {"github.run_id", *(f"matrix.{name}" for name in job["strategy"]["matrix"])}

    assert set(re.findall(r"\$\{\{ (.*?) \}\}", FILE.read_text())) <= known


def test_the_documents_show_its_commands(steps: list[dict[str, Any]]) -> None:
    shown = DOCUMENT.partition("## GitHub Actions")[2].partition("\n## ")[0]

    assert [step["run"] for step in steps if "run" in step and step["run"] not in shown] == []


def test_its_commands_run(steps: list[dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(sandbox): sandbox.run('true', check=True)\n")
    commands = [step["run"] for step in steps if "run" in step]
    ours = [command for command in commands if not command.startswith(OF_THE_RUNNER)]
    assert len(ours) == 2

    for command in ours:
        path = f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/sbin"
        subprocess.run(["sh", "-c", command], cwd=tmp_path, env={"PATH": path}, check=True)
    assert 'tests="1"' in (tmp_path / "report.xml").read_text()
