"""A template as a test asks for it: with its parameters, and with the template it starts from."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from pytest_sandbox._shared.lazy_dataclass import dataclass

from .pytest_internals import definitions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .template import Template


@dataclass(frozen=True, eq=False)
class Variant:
    """A template with what distinguishes its snapshots: one variant has one snapshot.

    Attributes:
        template: as it was declared.
        home: where it is visible: the id of a test module, or the name of a plugin.
        parent: what its sandbox starts from; `None` for a fresh sandbox.
        given: the values of the fixtures that its function takes.
        indices: for each parametrized fixture that it depends on, the index of the parameter.
        ids: for each parameter of the test its id, where pytest tells.
    """

    template: Template
    home: str
    parent: Variant | None
    given: Mapping[str, Any]
    indices: Mapping[str, int]
    ids: Mapping[str, str]

    @property
    def stack(self) -> tuple[Variant, ...]:
        """Itself, its parent, and so on."""
        return (self, *(self.parent.stack if self.parent else ()))

    @property
    def spec(self) -> dict[str, Any]:
        """Keywords of `Sandbox.create` for its sandbox and its copies."""
        return {**(self.parent.spec if self.parent else {}), **self.template.spec}

    @property
    def key(self) -> str:
        """A digest, the same in all workers of a run."""
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
        """The name of the template, with the ids of the parameters as in the id of a test."""
        parts = [self.ids.get(name, str(index)) for name, index in self.indices.items()]
        return f"{self.template.name}[{'-'.join(parts)}]" if parts else self.template.name


def indices(item: Any, name: str) -> dict[str, int]:
    """The indices of a test's parameters, of one fixture and of all that it depends on."""
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
