"""Hints for tests whose `modal` did not connect to the server of a test, but to the cloud."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .marker import SERVER, takes_modal_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

_TITLE = "modal_server"
_SCOPE_MISMATCH = re.compile(
    r"ScopeMismatch: You tried to access the function scoped fixture modal_server with a "
    r"(\w+) scoped request"
)
_WIDER_SCOPE = """\
'modal_server' is made for each test, and the sandboxes of a test end with it. Let the fixture of
the {scope} that asks for it be one of a test: leave out its scope. What tests share nevertheless:

- apps, volumes and secrets, which stay until the run ends (not with engine="fake"),
- images, each step of which is done once: `modal.Image.debian_slim().run_commands(...)`,
- what presets set up: `modal_server_preset` in the ini file."""
#: What the client raises where there is no cloud, or no account there, by its names.
_UNREACHED = {"AuthError", "ConnectionError"}
_WITHOUT = """\
modal asked the cloud, as this test does not have the fixture modal_server, during which modal
connects to this machine. Let the test take it:

    def test_it(modal_server): ...

or all tests of a module, class or folder: pytestmark = pytest.mark.usefixtures("modal_server")"""
_BEFORE = """\
modal asked the cloud, as a fixture used it before modal_server was there. Let that fixture take
modal_server itself, and be one of a test, not of a module or session."""
_AT_IMPORT = """\
modal asked the cloud, as it was used while a module was imported. It connects to this machine
during tests with the fixture modal_server: look up apps in a function that the test calls, or in a
fixture that takes modal_server."""


def modal_hints(
    item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException]
) -> Iterator[tuple[str, str]]:
    """Sections for the report of a failure: title and text."""
    if found := _SCOPE_MISMATCH.search(str(excinfo.value)):
        yield _TITLE, _WIDER_SCOPE.format(scope=found[1])
    elif _asked_the_cloud(excinfo.value) and SERVER not in item.stash:
        yield _TITLE, _BEFORE if takes_modal_server(item) else _WITHOUT


def explain_failed_import(report: pytest.CollectReport) -> None:
    """Add the hint to the report of a module that cannot be imported for this reason."""
    excinfo = getattr(getattr(report, "call", None), "excinfo", None)
    add_section = getattr(report.longrepr, "addsection", None)
    if excinfo is not None and add_section is not None and _asked_the_cloud(excinfo.value):
        add_section(_TITLE, _AT_IMPORT)


def _asked_the_cloud(error: BaseException) -> bool:
    kind = type(error)
    return kind.__module__ == "modal.exception" and kind.__name__ in _UNREACHED
