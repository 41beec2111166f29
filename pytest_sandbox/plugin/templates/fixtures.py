"""The second fixture of each template: it stands for the image, in the scope of the session.

It takes what the function of the template takes, so that pytest itself orders and parametrizes
it, and refuses fixtures of narrower scope. It must be visible where the template is: beside it.
"""

from __future__ import annotations

import enum
import inspect
import types
from typing import TYPE_CHECKING, Any

import pytest

from .layer import Layer, indices
from .pytest_internals import register_fixture
from .signature import disguise
from .template import ATTRIBUTE, Template, template_name

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

__tracebackhide__ = True  # a failing test shows its own lines, not these

#: Parameters that pytest names by their value.
_NAMED = (str, bytes, int, float, complex, bool, type(None), enum.Enum, type, types.FunctionType)

_SEEN = pytest.StashKey[bool]()
#: The test that is being set up, or runs.
_CURRENT = pytest.StashKey[pytest.Item]()


@pytest.hookimpl(tryfirst=True)
def pytest_plugin_registered(plugin: object, plugin_name: str) -> None:
    """Add the fixtures to a `conftest.py`, or another plugin, before pytest looks at it."""
    if isinstance(plugin, types.ModuleType):
        for template in _templates(plugin):
            if template.layer not in vars(plugin):
                fixture = pytest.fixture(
                    scope="session", name=template.layer, params=template.params, ids=_ids(template)
                )
                setattr(plugin, template.layer, fixture(_layer(template, plugin_name)))


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector) -> None:
    """Register those of a test module before any of its tests is made."""
    if isinstance(collector, pytest.Module) and _SEEN not in collector.stash:
        collector.stash[_SEEN] = True
        for template in _templates(collector.obj):
            _register(template, collector)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Remember the test; and report a missing template by the name that people know."""
    item.session.stash[_CURRENT] = item
    try:
        return (yield)
    except pytest.FixtureLookupError as error:
        missing = template_name(error.argname)
        above = template_name(error.request.fixturename)
        if missing is None or above is None:
            raise
        raise pytest.fail.Exception(
            f"the template {above!r} begins with {missing!r}, and there is no template of that "
            "name here; its first parameter is the name of a template, where none is sandbox",
            pytrace=False,
        ) from None


def _templates(module: types.ModuleType) -> Iterator[Template]:
    for each in list(vars(module).values()):
        # Statically: a module may hold objects that have every attribute.
        if isinstance(template := inspect.getattr_static(each, ATTRIBUTE, None), Template):
            yield template


def _register(template: Template, node: pytest.Module) -> None:
    function = _layer(template, node.nodeid)
    register_fixture(node, template.layer, function, params=template.params, ids=_ids(template))


def _layer(template: Template, home: str) -> Callable[..., Layer]:
    def layer(request: pytest.FixtureRequest, **given: Any) -> Layer:
        parent = given.pop(template.parent) if template.parent else None
        if "request" in template.others:
            given["request"] = request
        return Layer(
            template, home, parent, given, indices(request.session.stash[_CURRENT], template.layer)
        )

    names = ("request", *template.others, *filter(None, [template.parent]))
    disguise(layer, template.body, names)
    layer.__doc__ = f"The image of the template {template.name}, of which that gives copies."
    return layer


def _ids(template: Template) -> Any:
    """The names of the parameters: those of the template, not of the fixture that has them."""
    if template.ids is not None or template.params is None:
        return template.ids
    return _numbered(template.name, template.params)


def _numbered(name: str, params: Sequence[object]) -> tuple[str | None, ...]:
    return tuple(
        None if isinstance(each, _NAMED) or hasattr(each, "marks") else f"{name}{number}"
        for number, each in enumerate(params)
    )
