"""`sandbox_template`: a function that prepares a sandbox becomes a fixture of copies of it."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Literal, overload

import pytest

from ..marker import problem_with
from ..networks import OWN
from .copies import copies
from .signature import disguise
from .template import ATTRIBUTE, FRESH, Template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from .variant import Variant

__tracebackhide__ = True  # an error in a template shows the template's module

#: How widely a copy is shared, by the scope of the template.
_COPIES: dict[str, Literal["function", "class", "module"]] = {
    "session": "function",
    "module": "module",
    "class": "class",
}


@overload
def sandbox_template(body: Callable[..., object], /) -> Any: ...


@overload
def sandbox_template(
    *,
    scope: Literal["session", "module", "class"] = ...,
    memory: bool = ...,
    cache: bool = ...,
    cache_key: object = ...,
    params: Iterable[object] | None = ...,
    ids: Sequence[object | None] | Callable[[Any], object | None] | None = ...,
    name: str | None = ...,
    memory_limit: int | tuple[int, int] | None = ...,
    **spec: Any,
) -> Callable[[Callable[..., object]], Any]: ...


def sandbox_template(
    body: Callable[..., object] | None = None,
    /,
    *,
    scope: Literal["session", "module", "class"] = "session",
    memory: bool = False,
    cache: bool = False,
    cache_key: object = (),
    params: Iterable[object] | None = None,
    ids: Sequence[object | None] | Callable[[Any], object | None] | None = None,
    name: str | None = None,
    memory_limit: int | tuple[int, int] | None = None,
    **spec: Any,
) -> Any:
    """Turn a function that prepares a sandbox into a fixture that gives copies of that sandbox.

    The function runs once in a run of pytest, whatever the number of pytest-xdist's workers. Then
    a snapshot is taken, and each test that asks for the fixture gets a sandbox restored from it.
    The parameter `sandbox` of the function is a fresh sandbox. A function without that parameter
    starts from a copy of another template, which its first parameter names. All other parameters
    are fixtures, of session scope.

    Args:
        body: the function, where the decorator is used without arguments.
        scope: `"session"`: each test gets its own copy; `"module"` or `"class"`: all tests of a
            module or class share one.
        memory: whether the snapshot has the processes too, which then run in every copy.
        cache: whether the image is stored for later runs. It is used until something changes that
            it is made of: the source of the function, the spec, the parameters, the template that
            it starts from, or `cache_key`.
        cache_key: what else the image depends on: a value, or several; a `pathlib.Path` stands for
            the content of that file or directory.
        params: the values of `request.param`; there is one image for each.
        ids: names of these values, as in `pytest.fixture`.
        name: of the fixture; by default, that of the function.
        memory_limit: MiB, or (request, limit): the `memory` of `Sandbox.create`.
        **spec: keywords of the `sandbox` marker; those of the template that it starts from apply
            too.

    Raises:
        TypeError: the function cannot be a template.
        ValueError: an argument is invalid.
    """
    if body is None:
        return functools.partial(
            sandbox_template,
            scope=scope,
            memory=memory,
            cache=cache,
            cache_key=cache_key,
            params=params,
            ids=ids,
            name=name,
            memory_limit=memory_limit,
            **spec,
        )
    if memory_limit is not None:
        spec["memory"] = memory_limit
    sandbox_parameter, parameters = _parameters(body)
    template = Template(
        name=name or body.__name__,
        body=body,
        spec=spec,
        memory=memory,
        cache=cache,
        cache_key=tuple(cache_key) if isinstance(cache_key, list | tuple) else (cache_key,),
        params=None if params is None else tuple(params),
        ids=ids,
        sandbox_parameter=sandbox_parameter,
        parameters=parameters,
    )
    if wrong := next(_problems(template, scope), ""):
        raise ValueError(f"@sandbox_template on {body.__name__}: {wrong}")
    return _fixture(template, _COPIES[scope])


def _parameters(body: Callable[..., object]) -> tuple[str, tuple[str, ...]]:
    """The parameter for the sandbox, and the others."""
    if not inspect.isfunction(body):
        raise TypeError(f"@sandbox_template decorates a function, not {body!r}")
    where = f"@sandbox_template on {body.__name__}"
    if inspect.isgeneratorfunction(body) or inspect.isasyncgenfunction(body):
        raise TypeError(
            f"{where}: a template cannot yield, as it ends with the snapshot; what has to happen "
            "around each test belongs in a fixture that takes the template"
        )
    names = [each.name for each in inspect.signature(body).parameters.values() if _is_fixture(each)]
    if names[:1] == ["self"]:
        raise TypeError(f"{where}: a template is a function of a module, not a method")
    if not names:
        raise TypeError(f"{where}: it takes no sandbox; name a parameter sandbox, or a template")
    first = FRESH if FRESH in names else names[0]
    return first, tuple(each for each in names if each != first)


def _is_fixture(parameter: inspect.Parameter) -> bool:
    """Whether pytest passes a fixture for it, by pytest's own rule."""
    by_name = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    return by_name and parameter.default is parameter.empty


def _problems(template: Template, scope: object) -> Iterator[str]:
    if not template.name.isidentifier():
        yield f"name={template.name!r} cannot be the name of a fixture"
    if scope not in _COPIES:
        yield f"scope={scope!r} is none of {', '.join(map(repr, _COPIES))}"
    if not isinstance(template.memory, bool):
        yield (
            f"memory={template.memory!r}: for a template this is True or False: whether the "
            "snapshot has the processes too; a limit is memory_limit=, in MiB"
        )
    if template.memory and template.cache:
        yield "memory=True and cache=True: snapshots with processes do not outlive the run"
    if template.memory and template.spec.get("gpu") is not None:
        yield "memory=True and gpu=: no snapshot has what is in a GPU; leave one out"
    if template.cache_key != ((),) and template.cache_key and not template.cache:
        yield "cache_key= is for cache=True"
    if template.sandbox_parameter != FRESH and "image" in template.spec:
        yield f"image= is for a fresh sandbox, and this is a copy of {template.sandbox_parameter}"
    yield from _problems_of_spec(template.spec, scope)


def _problems_of_spec(spec: Mapping[str, Any], scope: object) -> Iterator[str]:
    if spec.get("network") == OWN and scope != "session":
        yield "network='test' is for scope='session', with which each test has a copy of its own"
    for key, value in spec.items():
        if key == "isolation":
            yield "isolation= is for tests: @pytest.mark.sandbox(isolation='full')"
        elif wrong := problem_with(key, value):
            yield wrong


def _fixture(
    template: Template, scope: Literal["function", "class", "module"]
) -> Any:  # pytest has no public type for fixtures
    """The fixture that gives copies."""

    def copy(request: pytest.FixtureRequest, **given: Variant) -> Iterator[object]:
        yield from copies(given[template.image_fixture], request)

    disguise(copy, template.body, ("request", template.image_fixture))
    setattr(copy, ATTRIBUTE, template)
    return pytest.fixture(scope=scope, name=template.name)(copy)
