"""The fixture that gives the copies of a template, what it shows, and the end of its story."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ..ownership import OWNED
from .changes import changes
from .pytest_internals import definitions
from .template import ATTRIBUTE, Template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_sandbox.client import Sandbox

    from .images import Templates
    from .layer import Layer

__tracebackhide__ = True  # a template that fails shows its own lines, not these

#: Fixtures that heed the marker of a test.
_OWN = ("sandbox", "sandbox_factory")

TEMPLATES = pytest.StashKey["Templates"]()


def templates(config: pytest.Config) -> Templates:
    """The templates of this process."""
    if TEMPLATES not in config.stash:
        from .images import Templates

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
        request.node.stash[OWNED].given.add(sandbox.object_id)
        yield sandbox
        return
    yield sandbox
    sandbox.terminate()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse a marker that nothing could heed: the test has one copy, which is others' too."""
    takers = [name for name in getattr(item, "fixturenames", ()) if name in _OWN]
    shared = dict(_copies(item))
    if takers or not shared or "function" in shared.values():
        return
    for name, scope in shared.items():
        sharers = item.getparent(pytest.Class if scope == "class" else pytest.Module)
        if sharers is not None and (own := changes(item)) != changes(sharers):
            pytest.fail(
                f"@pytest.mark.sandbox gives {own!r}, but {name} is one copy for all tests of a "
                f"{scope}; mark the {scope}, or have a template of scope='session'",
                pytrace=False,
            )


def _copies(item: pytest.Item) -> Iterator[tuple[str, str]]:
    """The templates that a test takes, with who shares the copy."""
    for name, found in definitions(item).items():
        if found and isinstance(getattr(found[-1].func, ATTRIBUTE, None), Template):
            yield name, found[-1].scope
