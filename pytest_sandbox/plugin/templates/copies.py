"""The fixture of a template: each copy is a sandbox restored from the snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_sandbox._shared.real import real_files

from ..gpu.held import gpu_keywords
from ..networks import OWN, placed
from ..ownership import OWNED
from .changes import changes
from .taken import taken_templates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_sandbox.client import Sandbox

    from .images import Templates
    from .variant import Variant

__tracebackhide__ = True  # a template that fails shows its own lines, not these

#: Fixtures that follow the marker of a test.
_OWN = ("sandbox", "sandbox_factory")

TEMPLATES = pytest.StashKey["Templates"]()


def templates(config: pytest.Config) -> Templates:
    """The templates of this process."""
    if TEMPLATES not in config.stash:
        with real_files():  # which the module keeps
            from .images import Templates

        config.stash[TEMPLATES] = Templates(config)
    return config.stash[TEMPLATES]


def copies(variant: Variant, request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A copy that lives as long as the scope of the fixture lasts."""
    if hasattr(request, "param"):
        pytest.fail(
            f"the template {variant.template.name!r} cannot use {request.param!r} from "
            "parametrize(indirect=...); give @sandbox_template params= instead",
            pytrace=False,
        )
    changed = changes(request.node)
    if request.scope == "function" and not variant.template.memory:
        changed = {**gpu_keywords(request.node), **changed}
    if request.scope != "function" and changed.get("network") == OWN:
        pytest.fail(
            f"network='test' is for one test, but the copy of {variant.template.name!r} is for all "
            f"tests of a {request.scope}",
            pytrace=False,
        )
    if request.scope == "function":
        own = placed({**variant.spec, **changed}, request.node, copy_of=variant.template.name)
        changed |= {key: own[key] for key in ("network",) if key in own}
        sandbox = templates(request.config).copy(variant, changed, request.node)
        # It ends with the test's other sandboxes.
        request.node.stash[OWNED].given.add(sandbox.object_id)
        yield sandbox
        return
    sandbox = templates(request.config).copy(variant, changed)
    yield sandbox
    sandbox.terminate()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse a marker that would have no effect: the only copy is shared with other tests."""
    takers = [name for name in getattr(item, "fixturenames", ()) if name in _OWN]
    shared = {each.name: each.scope for each in taken_templates(item)}
    if takers or not shared or "function" in shared.values():
        return
    for name, scope in shared.items():
        sharers = item.getparent(pytest.Class if scope == "class" else pytest.Module)
        if sharers is not None and (own := changes(item)) != changes(sharers):
            pytest.fail(
                f"@pytest.mark.sandbox gives {own!r}, but {name} is one copy for all tests of a "
                f"{scope}; mark the {scope}, or give the template scope='session'",
                pytrace=False,
            )
