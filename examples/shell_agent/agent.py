"""An agent that works by running shell commands, one after the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pytest_sandbox import Sandbox

#: Characters of a command's output that the model is shown; the middle is left out.
MAX_OUTPUT = 2000


@dataclass(frozen=True)
class Step:
    """A command and its result."""

    command: str
    output: str
    code: int


class Model(Protocol):
    """Decides what to do next."""

    def next_command(self, task: str, steps: Sequence[Step]) -> str | None:
        """The next command, or None when the task is done."""


def shorten(text: str) -> str:
    if len(text) <= MAX_OUTPUT:
        return text
    half = MAX_OUTPUT // 2
    return f"{text[:half]}\n[{len(text) - 2 * half} characters left out]\n{text[-half:]}"


def run_step(sandbox: Sandbox, command: str, seconds: int) -> Step:
    """Run one command for at most so many seconds; its output includes standard error."""
    # `timeout` tells the model what happened in a way it knows from its own shell: code 124.
    process = sandbox.exec(
        "timeout", "--signal=KILL", str(seconds), "sh", "-c", f"exec 2>&1\n{command}"
    )
    output = process.stdout.read()
    return Step(command, shorten(output), process.wait())


def work(
    sandbox: Sandbox, model: Model, task: str, *, max_steps: int = 20, seconds: int = 30
) -> list[Step]:
    """Let a model work on a task until it is done or out of steps."""
    steps: list[Step] = []
    while len(steps) < max_steps:
        command = model.next_command(task, steps)
        if command is None:
            break
        steps.append(run_step(sandbox, command, seconds))
    return steps
