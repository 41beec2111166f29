"""A template as it was declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_sandbox._shared.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: The attribute of a fixture function that holds its template.
ATTRIBUTE = "sandbox_template"
#: The parameter of a template that starts from a fresh sandbox.
FRESH = "sandbox"

#: How the names of image fixtures begin.
_PREFIX = "sandbox_template_"


@dataclass(frozen=True, eq=False)
class Template:
    """The arguments of `sandbox_template`.

    Attributes:
        name: of the fixture.
        body: the function that prepares a sandbox.
        spec: keywords of `Sandbox.create`.
        memory: whether the snapshot has the processes too.
        cache: whether the snapshot is stored for later runs.
        cache_key: what the snapshot depends on besides, for `cache`.
        params: the values of `request.param`, one snapshot for each.
        ids: names of these values.
        sandbox_parameter: the name of the body's parameter for the sandbox.
        parameters: the names of its other parameters.
    """

    name: str
    body: Callable[..., object]
    spec: Mapping[str, Any]
    memory: bool
    cache: bool
    cache_key: tuple[object, ...]
    params: Sequence[object] | None
    ids: Sequence[object | None] | Callable[[Any], object | None] | None
    sandbox_parameter: str
    parameters: tuple[str, ...]

    @property
    def image_fixture(self) -> str:
        """The name of its image fixture, which provides a `Variant`."""
        return image_fixture_name(self.name)

    @property
    def parent(self) -> str | None:
        """The name of the image fixture of the template that it starts from."""
        return (
            None if self.sandbox_parameter == FRESH else image_fixture_name(self.sandbox_parameter)
        )


def image_fixture_name(name: str) -> str:
    """The name of the image fixture of a template."""
    return f"{_PREFIX}{name}"


def template_name(fixture: str | None) -> str | None:
    """The name of the template whose image fixture has that name; `None` for other fixtures."""
    return fixture.removeprefix(_PREFIX) if fixture and fixture.startswith(_PREFIX) else None
