"""What the tests of templates write their projects with."""

import textwrap

import pytest

HEAD = """
import pathlib
import pytest
from pytest_sandbox import sandbox_template

HERE = pathlib.Path(__file__).parent

def log(line):
    with (HERE / "log").open("a") as file:
        print(line, file=file)

def read(sandbox, path="/srv/file"):
    return sandbox.filesystem.read_text(path)

def write(sandbox, text, path="/srv/file"):
    sandbox.filesystem.write_text(text, path)
"""


def write(pytester: pytest.Pytester, code: str, *, head: str = HEAD) -> None:
    """Make a test file that begins with what most tests need."""
    pytester.makepyfile(head + textwrap.dedent(code))


def logged(pytester: pytest.Pytester) -> list[str]:
    """What the project logged."""
    log = pytester.path / "log"
    return log.read_text().split() if log.exists() else []


class Project:
    """A test file, run in memory, and what it logged."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester

    def run(self, code: str, *options: str) -> pytest.RunResult:
        self.write(code)
        return self.pytester.runpytest("--sandbox-engine=fake", *options)

    def write(self, code: str) -> None:
        write(self.pytester, code)

    @property
    def log(self) -> list[str]:
        return logged(self.pytester)
