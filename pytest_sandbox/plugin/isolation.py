"""Tests that are for engines that isolate, `@pytest.mark.sandbox(isolation="full")`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_sandbox._shared.engine_options import ISOLATION, NOT_ISOLATED

from .fakes import is_faked
from .options import engine_of

if TYPE_CHECKING:
    from .engine import SandboxEngine


def isolation_problem(item: pytest.Item) -> str:
    """Why such a test cannot run on the engine that was chosen; empty if nothing says so."""
    engine = engine_of(item)
    if engine in NOT_ISOLATED and not is_faked(item):
        return _problem(engine, NOT_ISOLATED[engine])
    return ""


def check_isolation(engine: SandboxEngine) -> None:
    """Refuse an engine of another package, of which it is known only once it has started.

    Raises:
        pytest.fail.Exception: the engine does not isolate.
    """
    if ISOLATION not in engine.capabilities:
        pytest.fail(_problem(engine.name, engine.mode), pytrace=False)


def _problem(engine: str, why: str) -> str:
    return (
        f"@pytest.mark.sandbox(isolation='full'): the engine {engine!r} does not isolate: {why}; "
        "run this test with --sandbox-engine=local"
    )
