"""Names of types in error messages."""

import uuid
from collections import OrderedDict

import pytest

from pytest_sandbox._shared.type_names import type_name


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (1, "an int"),
        (OrderedDict(), "an OrderedDict"),
        ("x", "a str"),
        (None, "a NoneType"),
        (uuid.UUID(int=0), "a UUID"),
    ],
)
def test_a_type_has_its_article(value: object, name: str) -> None:
    assert type_name(value) == name
