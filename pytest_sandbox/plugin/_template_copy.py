"""The fixture that gives the copies of a template, what it shows, and the end of its story."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ._marker import merged_spec
from ._watch import WATCH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_sandbox.client import Sandbox

    from ._template_images import Templates
    from ._template_layer import Layer

__tracebackhide__ = True  # a template that fails shows its own lines, not these

#: Keys of the marker that shape `sandbox`, and no copy: which machine it is, and its name.
_OTHERS = ("image", "name")

TEMPLATES = pytest.StashKey["Templates"]()


def templates(config: pytest.Config) -> Templates:
    """The templates of this process."""
    if TEMPLATES not in config.stash:
        from ._template_images import Templates

        config.stash[TEMPLATES] = Templates(config)
    return config.stash[TEMPLATES]


def copies(layer: Layer, request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A copy, for as long as the scope of the fixture."""
    if hasattr(request, "param"):
        pytest.fail(
            f"{layer.template.name} is a template, and got {request.param!r} from "
            "parametrize(indirect=...); parameters of a template are params= of @sandbox_template",
            pytrace=False,
        )
    sandbox = templates(request.config).copy(layer, changes(request.node))
    if request.scope == "function":  # its end is that of all sandboxes of a test
        request.node.stash[WATCH].given.add(sandbox.object_id)
        yield sandbox
        return
    yield sandbox
    sandbox.terminate()


def changes(node: Any) -> dict[str, Any]:
    """What the marker says of copies: of a test, or of the module or class that shares one."""
    return {key: value for key, value in merged_spec(node).items() if key not in _OTHERS}
