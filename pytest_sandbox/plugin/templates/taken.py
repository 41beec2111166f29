"""The templates that a test takes copies of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._shared.lazy_dataclass import dataclass

from .pytest_internals import definitions
from .template import ATTRIBUTE, Template

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


@dataclass(frozen=True)
class TakenTemplate:
    """A template that a test takes a copy of.

    Attributes:
        name: of the fixture.
        scope: `"function"` for a copy of its own, else what shares it: `"class"`, `"module"`.
        template: it.
    """

    name: str
    scope: str
    template: Template


def taken_templates(item: pytest.Item) -> Iterator[TakenTemplate]:
    """The templates that a test takes copies of, directly or by other fixtures."""
    for name, found in definitions(item).items():
        template = getattr(found[-1].func, ATTRIBUTE, None) if found else None
        if isinstance(template, Template):
            yield TakenTemplate(name, found[-1].scope, template)
