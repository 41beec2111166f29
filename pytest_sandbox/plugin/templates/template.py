"""A template as it was declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: Under this name a fixture knows the template that it was made of.
ATTRIBUTE = "sandbox_template"
#: The parameter of a template that begins with a fresh sandbox.
FRESH = "sandbox"

#: What the names of the fixtures begin with that stand for images.
_PREFIX = "sandbox_template_"


@dataclass(frozen=True, eq=False)
class Template:
    """What `sandbox_template` was told.

    Attributes:
        name: of the fixture.
        body: the function that prepares a sandbox.
        spec: keywords of `Sandbox.create`.
        memory: whether copies have its processes.
        cache: whether the image is kept for later runs.
        inputs: what the image depends on besides, for `cache`.
        params: parameters of the body, one image each.
        ids: names of the parameters.
        machine: the name of the body's parameter for the sandbox.
        others: the names of its other parameters.
    """

    name: str
    body: Callable[..., object]
    spec: Mapping[str, Any]
    memory: bool
    cache: bool
    inputs: tuple[object, ...]
    params: Sequence[object] | None
    ids: Sequence[object | None] | Callable[[Any], object | None] | None
    machine: str
    others: tuple[str, ...]

    @property
    def layer(self) -> str:
        """The name of the fixture that stands for its image."""
        return layer_name(self.name)

    @property
    def parent(self) -> str | None:
        """The name of the fixture that stands for the image that it begins with."""
        return None if self.machine == FRESH else layer_name(self.machine)


def layer_name(name: str) -> str:
    """The name of the fixture that stands for the image of a template."""
    return f"{_PREFIX}{name}"


def template_name(layer: str | None) -> str | None:
    """The name of the template whose image the fixture of that name stands for, if it does."""
    return layer.removeprefix(_PREFIX) if layer and layer.startswith(_PREFIX) else None
