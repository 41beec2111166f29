"""`sandbox_template`: a function that prepares a sandbox becomes a fixture of copies of it."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Literal, overload

import pytest

from ..marker import problem_with
from .copies import copies
from .signature import disguise
from .template import ATTRIBUTE, FRESH, Template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from .layer import Layer

__tracebackhide__ = True  # what is wrong with a template is in its module, not in this one

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
    """Make a function that prepares a sandbox a fixture that gives restored copies of it.

    The function runs once per run, whatever the number of pytest-xdist's workers. Its parameter
    `sandbox` is a fresh sandbox; if it has none, its first parameter is the name of another
    template, of which it gets a copy. Further parameters are fixtures, of session scope.

    Args:
        body: the function, where the decorator is used without arguments.
        scope: `"session"`, a copy for each test; `"module"` or `"class"`, one for all tests there.
        memory: keep the processes too, which then run in every copy.
        cache: keep the image for later runs, as long as nothing that it is made of changes: the
            source of the function, its spec, its parameters, the template below, and `cache_key`.
        cache_key: what else the image is made of: a value or several; a `pathlib.Path` stands for
            the content of that file or folder.
        params: one image each; the function takes `request` and finds it in `request.param`.
        ids: names of the parameters, as `pytest.fixture` has it.
        name: of the fixture; that of the function if not given.
        memory_limit: MiB, or (request, limit): what `memory` is for `Sandbox.create`.
        **spec: the keywords of the `sandbox` marker; those of the template below apply too.

    Raises:
        TypeError: the function cannot be a template.
        ValueError: an argument makes no sense.
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
    machine, others = _parameters(body)
    template = Template(
        name=name or body.__name__,
        body=body,
        spec=spec,
        memory=memory,
        cache=cache,
        inputs=tuple(cache_key) if isinstance(cache_key, list | tuple) else (cache_key,),
        params=None if params is None else tuple(params),
        ids=ids,
        machine=machine,
        others=others,
    )
    if wrong := next(_problems(template, scope), ""):
        raise ValueError(f"@sandbox_template on {body.__name__}: {wrong}")
    return _fixture(template, _COPIES[scope])


def _parameters(body: Callable[..., object]) -> tuple[str, tuple[str, ...]]:
    """The parameter for the sandbox, and the others."""
    if not inspect.isfunction(body):
        raise TypeError(f"@sandbox_template goes on a function, not on {body!r}")
    where = f"@sandbox_template on {body.__name__}"
    if inspect.isgeneratorfunction(body) or inspect.isasyncgenfunction(body):
        raise TypeError(
            f"{where}: a template has no yield, as nothing of it runs after the snapshot; what is "
            "to happen around each test belongs into a fixture that takes the template"
        )
    names = [each.name for each in inspect.signature(body).parameters.values() if _given(each)]
    if names[:1] == ["self"]:
        raise TypeError(f"{where}: a template is a function of a module, not a method")
    if not names:
        raise TypeError(f"{where}: it takes no sandbox; name a parameter sandbox, or a template")
    machine = FRESH if FRESH in names else names[0]
    return machine, tuple(each for each in names if each != machine)


def _given(parameter: inspect.Parameter) -> bool:
    """Whether pytest is to give it, by the rule that it has for fixtures."""
    by_name = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    return by_name and parameter.default is parameter.empty


def _problems(template: Template, scope: object) -> Iterator[str]:
    if not template.name.isidentifier():
        yield f"name={template.name!r} can be no parameter of a test"
    if scope not in _COPIES:
        yield f"scope={scope!r} is none of {', '.join(map(repr, _COPIES))}"
    if not isinstance(template.memory, bool):
        yield (
            f"memory={template.memory!r}: for a template this says whether processes are kept, "
            "True or False; a limit is memory_limit=, in MiB"
        )
    if template.memory and template.cache:
        yield "memory=True and cache=True: snapshots with processes do not outlive the run"
    if template.inputs != ((),) and template.inputs and not template.cache:
        yield "cache_key= is for cache=True"
    if template.machine != FRESH and "image" in template.spec:
        yield f"image= is for a fresh sandbox, and this one is a copy of {template.machine}"
    for key, value in template.spec.items():
        if wrong := problem_with(key, value):
            yield wrong


def _fixture(
    template: Template, scope: Literal["function", "class", "module"]
) -> Any:  # pytest has no public name for it
    """The fixture that gives copies."""

    def copy(request: pytest.FixtureRequest, **given: Layer) -> Iterator[object]:
        yield from copies(given[template.layer], request)

    disguise(copy, template.body, ("request", template.layer))
    setattr(copy, ATTRIBUTE, template)
    return pytest.fixture(scope=scope, name=template.name)(copy)
