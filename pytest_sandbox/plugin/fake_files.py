"""Tests with a fake file system of pyfakefs: what needs real files is done before it is set up."""

from __future__ import annotations

import contextlib
import sys

import pytest

from pytest_sandbox import _run

from .engine import session_of

#: The fixtures of pyfakefs.
_FAKE_FILES = {"fs", "fs_class", "fs_module", "fs_session"}
#: Those of this plugin that need an engine.
_SANDBOXES = {"sandbox", "sandbox_factory", "sandbox_engine", "sandbox_rpcs", "sandbox_faults"}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Start the engine, and import the client, for a test that replaces files.

    Modules that are imported while they are replaced keep the fake ones, and pyfakefs forgets such
    modules afterwards: they would be imported twice.
    """
    names = set(getattr(item, "fixturenames", ()))
    if not names & _FAKE_FILES:
        return
    if names & _SANDBOXES or "pytest_sandbox.client" in sys.modules:
        # An error here is raised again once the test needs a sandbox.
        with contextlib.suppress(_run.EngineStartError, OSError):
            session_of(item).engine()
