"""The program, each time on a fresh machine."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from pytest_sandbox import Sandbox

Notes = Callable[..., "Result"]


class Result(NamedTuple):
    """The output and the exit status of a call."""

    code: int
    output: str
    errors: str


@pytest.fixture
def notes(sandbox: Sandbox) -> Notes:
    """Calls the program on a clean machine."""
    program = Path(__file__).with_name("notes.py")
    sandbox.filesystem.copy_from_local(program, "/srv/notes.py")

    def notes(*arguments: str, **env: str | None) -> Result:
        process = sandbox.exec("python3", "/srv/notes.py", *arguments, env={"HOME": "/root", **env})
        return Result(process.wait(), process.stdout.read(), process.stderr.read())

    return notes


def test_the_first_call_finds_nothing_and_leaves_nothing(notes: Notes, sandbox: Sandbox) -> None:
    result = notes("list")

    assert result.code == 0
    assert result.output.startswith("No notes yet")
    assert sandbox.exec("test", "-e", "/root/.local").wait() == 1


def test_notes_are_kept(notes: Notes) -> None:
    notes("add", "buy", "milk")
    notes("add", "call home")

    assert notes("list").output == "1. buy milk\n2. call home\n"


def test_notes_are_the_users_alone(notes: Notes, sandbox: Sandbox) -> None:
    notes("add", "secret")

    assert sandbox.filesystem.stat("/root/.local/share/notes/notes.txt").permissions == "0600"


def test_notes_go_where_the_user_keeps_data(notes: Notes, sandbox: Sandbox) -> None:
    notes("add", "elsewhere", XDG_DATA_HOME="/srv/data")

    assert sandbox.filesystem.read_text("/srv/data/notes/notes.txt") == "elsewhere\n"


def test_any_language_on_a_machine_without_one(notes: Notes) -> None:
    notes("add", "grün 木", LANG="C", LC_ALL="C", PYTHONUTF8="0")

    assert notes("list", LANG="C", LC_ALL="C", PYTHONUTF8="0").output == "1. grün 木\n"


def test_a_home_that_is_no_folder_is_named(notes: Notes, sandbox: Sandbox) -> None:
    sandbox.filesystem.write_text("", "/srv/home")
    result = notes("add", "lost", HOME="/srv/home")

    assert result.code == 1
    assert result.errors == "notes: Not a directory: /srv/home/.local/share/notes\n"


def test_a_misspelt_command_shows_the_usage(notes: Notes) -> None:
    result = notes("lsit")

    assert result.code == 2
    assert "usage: notes.py" in result.errors
