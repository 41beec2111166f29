"""The command that installs an extra names what pip can find."""

import importlib.metadata
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from pytest_sandbox._shared.install_command import install_command

ROOT = Path(__file__).parents[3]


class Installed:
    """A distribution that was installed from somewhere."""

    def __init__(self, origin: str | None) -> None:
        self.origin = origin

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return self.origin


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        (None, "pip install 'pytest-sandbox[serve]'"),
        (
            {"url": "file:///src/a%20b", "dir_info": {"editable": True}},
            "pip install -e '/src/a b[serve]'",
        ),
        ({"url": "file:///src/here", "dir_info": {}}, "pip install '/src/here[serve]'"),
        (
            {"url": "file:///tmp/p.whl", "archive_info": {}},
            "pip install 'pytest-sandbox[serve] @ file:///tmp/p.whl'",
        ),
        (
            {"url": "https://example.com/p.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "pip install 'pytest-sandbox[serve] @ git+https://example.com/p.git@abc'",
        ),
        ({"url": "https://example.com", "vcs_info": {}}, "pip install 'pytest-sandbox[serve]'"),
        ("no JSON", "pip install 'pytest-sandbox[serve]'"),
    ],
    ids=["index", "editable", "folder", "wheel", "git", "incomplete", "damaged"],
)
def test_by_where_the_package_came_from(
    monkeypatch: pytest.MonkeyPatch, origin: Any, command: str
) -> None:
    text = json.dumps(origin) if isinstance(origin, dict) else origin
    found = [Installed(None), Installed(text)]
    monkeypatch.setattr(importlib.metadata, "distributions", lambda name: found)

    assert install_command("serve") == command


def test_without_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "distributions", lambda name: [])

    assert install_command("serve") == "pip install 'pytest-sandbox[serve]'"


def test_it_names_this_checkout_where_that_is_installed() -> None:
    """As it is where tests run: `.ci/environment` installs the checkout."""
    words = shlex.split(install_command("serve"))
    folder, _, extra = words[-1].partition("[")
    assert words[:2] == ["pip", "install"]
    assert (Path(folder) / "pyproject.toml").exists()
    assert extra == "serve]"


def test_the_command_is_written_nowhere_else() -> None:
    written = [
        path.name
        for path in (ROOT / "pytest_sandbox").rglob("*.py")
        if re.search(r"pip install.*pytest-sandbox", path.read_text())
    ]

    assert written == ["install_command.py"]
