"""Hints for names that do not exist."""

import pytest

from pytest_sandbox._shared.suggestions import did_you_mean


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("timout", "did you mean 'timeout'?"),
        ("TIMEOUT", "did you mean 'timeout'?"),
        ("reader", "did you mean 'Reader' or 'Readers' or 'headers'?"),
        ("xyz", ""),
        ("", ""),
    ],
)
def test_similar_names_are_listed_best_first(name: str, hint: str) -> None:
    assert did_you_mean(name, ["timeout", "Readers", "Reader", "headers", "w", "v"]) == hint
