"""The image fixture of each template, of session scope, beside the fixture that gives copies.

It takes the same fixtures as the function of the template. So pytest itself orders and
parametrizes it, and refuses fixtures of narrower scope. It is registered where the template is,
so that both are visible in the same places.
"""

from __future__ import annotations

import enum
import types
from typing import TYPE_CHECKING, Any

import pytest

from .pytest_internals import parameter_ids, register_fixture
from .signature import disguise
from .template import ATTRIBUTE, Template, template_name
from .variant import Variant, indices

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

__tracebackhide__ = True  # a failing test shows its own lines, not these

#: Types of parameters whose value pytest uses as their id.
_NAMED = (str, bytes, int, float, complex, bool, type(None), enum.Enum, type, types.FunctionType)

_SEEN = pytest.StashKey[bool]()
#: The test that is being set up, or runs.
_CURRENT = pytest.StashKey[pytest.Item]()


def add_image_fixtures(plugin: object, plugin_name: str) -> None:
    """Add image fixtures to a `conftest.py`, or another plugin, before pytest collects it."""
    if isinstance(plugin, types.ModuleType):
        for template in _templates(plugin):
            if template.image_fixture not in vars(plugin):
                fixture = pytest.fixture(
                    scope="session",
                    name=template.image_fixture,
                    params=template.params,
                    ids=_ids(template),
                )
                setattr(
                    plugin, template.image_fixture, fixture(_image_function(template, plugin_name))
                )


def register_image_fixtures(collector: pytest.Collector) -> None:
    """Register the image fixtures of a test module before its tests are collected."""
    if isinstance(collector, pytest.Module) and _SEEN not in collector.stash:
        collector.stash[_SEEN] = True
        for template in _templates(collector.obj):
            _register(template, collector)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Remember the test; and report a missing template under the name that the user wrote."""
    item.session.stash[_CURRENT] = item
    try:
        return (yield)
    except pytest.FixtureLookupError as error:
        missing = template_name(error.argname)
        above = template_name(error.request.fixturename)
        if missing is None or above is None:
            raise
        raise pytest.fail.Exception(
            f"the template {above!r} starts from {missing!r}, and there is no template of that "
            "name here; the first parameter of a template is sandbox, or the name of a template",
            pytrace=False,
        ) from None


def _templates(module: types.ModuleType) -> Iterator[Template]:
    for each in list(vars(module).values()):
        # Not by getattr: a module may hold objects, such as mocks, that have every attribute. And
        # `inspect.getattr_static` is slow for the thousands of objects at each start of pytest.
        try:
            template = object.__getattribute__(each, "__dict__").get(ATTRIBUTE)
        except AttributeError:  # it has slots
            continue
        if isinstance(template, Template):
            yield template


def _register(template: Template, node: pytest.Module) -> None:
    function = _image_function(template, node.nodeid)
    register_fixture(
        node, template.image_fixture, function, params=template.params, ids=_ids(template)
    )


def _image_function(template: Template, home: str) -> Callable[..., Variant]:
    def image(request: pytest.FixtureRequest, **given: Any) -> Variant:
        parent = given.pop(template.parent) if template.parent else None
        if "request" in template.parameters:
            given["request"] = request
        item = request.session.stash[_CURRENT]
        return Variant(
            template,
            home,
            parent,
            given,
            indices(item, template.image_fixture),
            parameter_ids(item),
        )

    names = ("request", *template.parameters, *filter(None, [template.parent]))
    disguise(image, template.body, names)
    image.__doc__ = f"The snapshot of the template {template.name}, which gives copies of it."
    return image


def _ids(template: Template) -> Any:
    """Ids with the name of the template, where pytest would use the name of the image fixture."""
    if template.ids is not None or template.params is None:
        return template.ids
    return _numbered(template.name, template.params)


def _numbered(name: str, params: Sequence[object]) -> tuple[str | None, ...]:
    return tuple(
        None if isinstance(each, _NAMED) or hasattr(each, "marks") else f"{name}{number}"
        for number, each in enumerate(params)
    )
