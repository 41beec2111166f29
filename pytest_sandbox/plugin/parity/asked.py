"""Which engine a test runs on: one of its marker `parametrize_engines`, or that of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..options import settings

if TYPE_CHECKING:
    import pytest

MARKER = "parametrize_engines"
#: The parameter that the marker adds.
PARAMETER = "sandbox_engine_of_test"


def chosen_engine(item: pytest.Item) -> str:
    """The name of the engine that the marker chose for a test; empty without the marker."""
    callspec: Any = getattr(item, "callspec", None)
    name: str = callspec.params.get(PARAMETER, "") if callspec is not None else ""
    return name


def engine_of(item: pytest.Item) -> str:
    """The name of the engine of a test."""
    return chosen_engine(item) or settings(item.config).engine


def has_engine_of_run(item: pytest.Item) -> bool:
    """Whether the engine of a test is that of the run."""
    return chosen_engine(item) in ("", settings(item.config).engine)
