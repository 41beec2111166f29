"""A template as a test asks for it: with parameters, and with what it stands on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .pytest_internals import definitions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .template import Template


@dataclass(frozen=True, eq=False)
class Layer:
    """A template, with what tells its images apart.

    Attributes:
        template: what was declared.
        home: where that is visible.
        parent: what its sandbox begins as; `None` for a fresh one.
        given: the values of the fixtures that its function takes.
        indices: the number of the parameter, for each fixture below it that has some.
    """

    template: Template
    home: str
    parent: Layer | None
    given: Mapping[str, Any]
    indices: Mapping[str, int]

    @property
    def stack(self) -> tuple[Layer, ...]:
        """Itself and all below it."""
        return (self, *(self.parent.stack if self.parent else ()))

    @property
    def spec(self) -> dict[str, Any]:
        """Keywords of `Sandbox.create` for its sandbox and its copies."""
        return {**(self.parent.spec if self.parent else {}), **self.template.spec}

    @property
    def key(self) -> str:
        """What all workers of a run call its image."""
        body = self.template.body
        parts = [
            self.home,
            self.template.name,
            body.__code__.co_filename,
            str(body.__code__.co_firstlineno),
            repr(sorted(self.indices.items())),
            self.parent.key if self.parent else "",
        ]
        return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:32]

    @property
    def title(self) -> str:
        """Its name, with the parameters."""
        numbers = ", ".join(str(index) for _, index in sorted(self.indices.items()))
        return f"{self.template.name}[{numbers}]" if numbers else self.template.name


def indices(item: Any, name: str) -> dict[str, int]:
    """Which parameters a test has, of those of a fixture and of what that takes."""
    if not hasattr(item, "callspec"):
        return {}
    available = definitions(item)
    names, found = [name], set[str]()
    while names:
        each = names.pop()
        if each not in found and each in available:
            found.add(each)
            names += available[each][-1].argnames
    return {each: index for each, index in item.callspec.indices.items() if each in found}
