"""Which of the tests that are collected this plugin has something to do for."""

from __future__ import annotations

import pytest

from . import fixtures
from .declarations import MARKERS

_FIXTURES = frozenset(fixtures.__all__)
#: The tests collected so far.
COLLECTED = pytest.StashKey["list[pytest.Item]"]()


def is_concerned(node: object) -> bool:
    """Whether it is a test that names a fixture of this plugin, or has a marker of it."""
    return isinstance(node, pytest.Item) and (
        not _FIXTURES.isdisjoint(getattr(node, "fixturenames", ()))
        or any(mark.name in MARKERS for mark in node.iter_markers())
    )
