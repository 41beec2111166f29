"""The app as it is deployed: installed, with notes, on its port; each test has its own."""

import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from pytest_sandbox import Sandbox, sandbox_template
from pytest_sandbox.plugin import SandboxEngine

#: Debian's, which has Debian's Flask.
PYTHON = "/usr/bin/python3"

pytestmark = pytest.mark.skipif(
    subprocess.run([PYTHON, "-c", "import flask"], capture_output=True).returncode != 0,
    reason="needs Flask: apt-get install python3-flask",
)

CLIENT = """
import sys
from urllib.error import HTTPError
from urllib.request import urlopen

body = sys.stdin.buffer.read() or None
try:
    answer = urlopen("http://127.0.0.1:5000/notes", body, timeout=30)
except HTTPError as error:
    answer = error
print(answer.status)
sys.stdout.flush()
sys.stdout.buffer.write(answer.read())
"""


class Answer(NamedTuple):
    """The answer of the app."""

    status: int
    body: str


def ask(sandbox: Sandbox, note: str = "") -> Answer:
    """Add a note, or read all of them."""
    done = sandbox.run(PYTHON, "/srv/client.py", input=note, check=True)
    status, _, body = done.stdout.partition("\n")
    return Answer(int(status), body)


def start(sandbox: Sandbox) -> None:
    app = f"setsid {PYTHON} /srv/app/app.py < /dev/null >> /srv/log 2>&1"
    # An earlier start left a log. It is emptied before anybody looks for the line of this start.
    sandbox.run("sh", "-c", f": > /srv/log; {app} & echo $! > /srv/pid", check=True)
    sandbox.run("sh", "-c", "until grep -q 'Running on' /srv/log; do sleep 0.01; done", timeout=60)


@sandbox_template
def installed(sandbox: Sandbox) -> None:
    """The app and its files."""
    source = Path(__file__).with_name("app.py")
    sandbox.filesystem.copy_from_local(source, "/srv/app/app.py")
    sandbox.filesystem.write_text(CLIENT, "/srv/client.py")


@sandbox_template
def filled(installed: Sandbox) -> None:
    """The app with two notes."""
    start(installed)
    assert ask(installed, "milk") == Answer(201, "1\n")
    assert ask(installed, "bread") == Answer(201, "2\n")
    installed.run("sh", "-c", "kill $(cat /srv/pid)", check=True)


@sandbox_template(memory=True)
def running(filled: Sandbox) -> None:
    """The app while it runs, with its modules imported."""
    start(filled)


@pytest.fixture
def app(request: pytest.FixtureRequest, sandbox_engine: SandboxEngine) -> Sandbox:
    """The running app; its processes are restored too, where the machine supports that."""
    memory = "memory snapshot" in sandbox_engine.capabilities
    sandbox: Sandbox = request.getfixturevalue("running" if memory else "filled")
    if not memory:
        start(sandbox)
    return sandbox


def test_notes_come_in_order(app: Sandbox) -> None:
    assert ask(app) == Answer(200, "milk\nbread\n")


@pytest.mark.parametrize("note", ["eggs", "butter", "salt"])
def test_a_note_is_added_to_those_that_were_there(app: Sandbox, note: str) -> None:
    assert ask(app, note) == Answer(201, "3\n")
    assert ask(app) == Answer(200, f"milk\nbread\n{note}\n")


def test_a_note_needs_a_text(app: Sandbox) -> None:
    assert ask(app, " ") == Answer(400, "a note needs a text\n")


def test_without_notes_there_are_none(installed: Sandbox) -> None:
    start(installed)

    assert ask(installed) == Answer(200, "")
