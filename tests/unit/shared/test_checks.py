"""The rules for commands, environments, paths and names."""

import pytest

from pytest_sandbox._shared.checks import (
    argument_bytes,
    is_absolute_path,
    is_app_id,
    is_object_name,
    is_text,
    is_variable_name,
)


@pytest.mark.parametrize(
    ("value", "expected"), [("a", True), ("", True), ("\0", False), (b"a", False)]
)
def test_text_has_no_nul(value: object, expected: bool) -> None:
    assert is_text(value) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("A", True), ("a b", True), ("", False), ("A=", False), ("\0", False), (1, False)],
)
def test_names_of_variables(name: object, expected: bool) -> None:
    assert is_variable_name(name) is expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/", True), ("/a/../b", True), ("a", False), ("", False), ("/\0", False), (None, False)],
)
def test_absolute_paths(path: object, expected: bool) -> None:
    assert is_absolute_path(path) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a-b_c.1", True), ("a" * 64, True), ("a" * 65, False), ("", False), ("ä", False), (1, False)],
)
def test_names_of_objects(name: object, expected: bool) -> None:
    assert is_object_name(name) is expected


def test_a_name_can_look_like_an_id_of_an_app() -> None:
    assert is_app_id("ap-" + "a" * 22)
    assert not is_app_id("ap-" + "a" * 21)


def test_the_size_of_a_command_counts_bytes() -> None:
    assert argument_bytes(["é", "\udcff", "ab"]) == 2 + 1 + 2
