"""The marker `parametrize_engines("local", "fake", ...)`: checked at collection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_sandbox._shared.network.engine_address import InvalidAddress, place_of

from ..declarations import ENGINE_PARAMETER, ENGINES_MARKER
from ..options import chosen_engine, problem_with_engine, without_token
from ..templates.taken import taken_templates

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MARKER = f"@pytest.mark.{ENGINES_MARKER}"


def parametrize(metafunc: pytest.Metafunc, mark: pytest.Mark) -> None:
    """Make one test for each engine.

    Raises:
        pytest.fail.Exception: the marker is invalid.
    """
    for problem in _problems(mark):
        given = ", ".join(map(repr, mark.args))
        pytest.fail(f"{_MARKER}({given}): {problem}", pytrace=False)
    names = _names(mark)
    metafunc.fixturenames.append(ENGINE_PARAMETER)
    metafunc.parametrize(ENGINE_PARAMETER, names, ids=list(map(place_of, names)))


def engines_of(item: pytest.Item) -> list[str]:
    """The names of all engines that the marker of a test names, for people."""
    mark = item.get_closest_marker(ENGINES_MARKER)
    return list(map(place_of, _names(mark))) if mark is not None else []


def engines_problem(item: pytest.Item) -> str:
    """What a test has that cannot be on each of its engines; empty if there is nothing."""
    if not chosen_engine(item):
        return (
            f"{_MARKER} is for functions that pytest can parametrize, which methods of "
            "unittest.TestCase are not"
        )
    if "sandbox_engine" in getattr(item, "fixturenames", ()):
        return (
            f"{_MARKER}: the fixture sandbox_engine is the engine of the run, which "
            "may be another one; leave it out, and make sandboxes in the test or in fixtures of "
            "function scope"
        )
    for template in taken_templates(item):
        return (
            f"{_MARKER}: the template {template.name!r} is made on the engine of the "
            "run only; prepare a sandbox in the test or in a fixture of function scope"
        )
    return ""


def _names(mark: pytest.Mark) -> list[str]:
    return ["local" if name == "auto" else name for name in mark.args]


def _problems(mark: pytest.Mark) -> Iterator[str]:
    if mark.kwargs:
        yield f"it takes names of engines only, not {', '.join(mark.kwargs)}"
    if not mark.args:
        yield "name the engines, such as 'local' and 'fake'"
    for name in mark.args:
        if not isinstance(name, str):
            yield f"{name!r} is not the name of an engine"
        elif problem := problem_with_engine(name):
            yield f"the engine {without_token(name)!r} {problem}"
    yield from _problems_of_names(_names(mark))


def _problems_of_names(names: Sequence[str]) -> Iterator[str]:
    try:
        places = list(map(place_of, names))
    except InvalidAddress as error:
        yield str(error)
        return
    for place in places:
        if places.count(place) > 1:
            yield f"{place} is named twice"
