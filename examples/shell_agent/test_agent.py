"""The agent, with a model that does as it is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from agent import MAX_OUTPUT, Step, work

from pytest_sandbox import Sandbox


@dataclass
class Script:
    """A model with a fixed list of commands."""

    commands: Sequence[str]

    def next_command(self, task: str, steps: Sequence[Step]) -> str | None:
        return self.commands[len(steps)] if len(steps) < len(self.commands) else None


class Stubborn:
    """A model that tries the same thing until it works."""

    def __init__(self, command: str) -> None:
        self.command = command

    def next_command(self, task: str, steps: Sequence[Step]) -> str | None:
        return None if steps and steps[-1].code == 0 else self.command


@pytest.fixture
def project(sandbox: Sandbox) -> Sandbox:
    """A program with a bug, and a test that finds it."""
    sandbox.filesystem.write_text("def double(n):\n    return n ** 3\n", "/srv/app/double.py")
    sandbox.filesystem.write_text(
        "from double import double\nassert double(2) == 4, double(2)\n", "/srv/app/check.py"
    )
    return sandbox


def test_the_agent_mends_a_program(project: Sandbox) -> None:
    script = Script(
        [
            "cd /srv/app && python3 check.py",
            "sed -i 's/n [*][*] 3/n * 2/' /srv/app/double.py",
            "cd /srv/app && python3 check.py",
        ]
    )

    before, _, after = work(project, script, "make the check pass")

    assert (before.code, after.code) == (1, 0)
    assert "AssertionError: 8" in before.output
    assert "n * 2" in project.filesystem.read_text("/srv/app/double.py")


def test_the_agent_sees_errors_and_codes(sandbox: Sandbox) -> None:
    (step,) = work(sandbox, Script(["echo to err >&2; exit 3"]), "")

    assert step.output == "to err\n"
    assert step.code == 3


def test_the_agent_tries_again_as_often_as_it_may(sandbox: Sandbox) -> None:
    command = "echo x >> /tmp/tries; test $(wc -l < /tmp/tries) = 3"

    assert [step.code for step in work(sandbox, Stubborn(command), "")] == [1, 1, 0]
    assert len(work(sandbox, Stubborn("false"), "", max_steps=5)) == 5


def test_a_command_that_never_ends_is_stopped(sandbox: Sandbox) -> None:
    (step,) = work(sandbox, Script(["echo started; sleep 1000"]), "", seconds=1)

    assert step.output == "started\n"
    assert step.code == 137


def test_a_flood_of_output_is_cut(sandbox: Sandbox) -> None:
    (step,) = work(sandbox, Script(["seq 100000"]), "")

    assert len(step.output) < MAX_OUTPUT + 100
    assert step.output.startswith("1\n2\n")
    assert step.output.endswith("99999\n100000\n")


def test_the_worst_command_does_no_harm(sandbox: Sandbox, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("still here")

    work(sandbox, Script([f"rm -rf /etc /home /var {tmp_path}; echo gone > {precious}"]), "")

    assert precious.read_text() == "still here"
