"""Names, arguments and defaults are those of Modal's client: of the first release and the newest.

`modal_names/decisions.py` says what is not, and why; `docs/reference/modal-names.md` is made of it:
`cd tests/unit && python -m client.modal_names.compared`.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

import pytest_sandbox
from pytest_sandbox import client, exceptions
from pytest_sandbox._shared.absent_names import ABSENT

from .modal_names import compared
from .modal_names import decisions as d
from .modal_names.compared import VERSIONS, arguments, names, our_arguments, ours


def problems(kind: str) -> list[str]:
    """How a class differs from Modal's in what the decisions do not say."""
    found = []
    for row in compared.rows(kind):
        name = f"{kind}.{row.name}"
        there = compared.is_there(kind, row.name) if compared.our_class(kind) else False
        if name in d.ABSENT:
            found += [f"{name} is there"] if there else []
        elif not there:
            found.append(f"{name} is missing")
        elif name not in d.REFUSED and not isinstance(ours(kind, row.name), property):
            for version, told in row.told.items():
                if told is not None:
                    # Of an argument that changed, the newest release says how it is.
                    newest = arguments(str(row.newest))
                    theirs = {
                        each: newest.get(each, what) for each, what in arguments(told).items()
                    }
                    held = our_arguments(ours(kind, row.name))
                    found += differences(name, version, theirs, held)
    return found


def differences(
    name: str, version: str, told: compared.Arguments, held: compared.Arguments
) -> list[str]:
    """How arguments differ; the order counts for those that may be given by position."""
    theirs = {
        argument: what
        for argument, what in told.items()
        if (name, argument) not in d.ABSENT_ARGUMENTS
    }
    same = {argument: held.get(argument) for argument in theirs}
    for argument, (_, default) in theirs.items():
        if default == "ANY" and (mine := same[argument]) and mine[1] is not ...:
            same[argument] = (mine[0], "ANY")
    found = [] if same == theirs else [f"{name} in {version}: {same} is not {theirs}"]
    by_position = [argument for argument, (kind, _) in held.items() if kind == "positional"]
    known = [argument for argument, (kind, _) in theirs.items() if kind == "positional"]
    if by_position[: len(known)] != known:
        found.append(f"{name} in {version}: {by_position} begin not with {known}")
    # That one has the order of `create`.
    if version == VERSIONS[-1] and name != "Sandbox._experimental_create":
        ordered = [argument for argument in held if argument in theirs]
        found += [] if ordered == [*theirs] else [f"{name}: {ordered} is not the order {[*theirs]}"]
    return found


@pytest.mark.parametrize("kind", compared.classes())
def test_names_and_arguments_are_modals(kind: str) -> None:
    assert problems(kind) == []


@pytest.mark.parametrize("kind", compared.classes())
def test_each_argument_of_ours_is_modals_or_decided(kind: str) -> None:
    extra = [
        f"{kind}.{row.name}({argument})"
        for row in compared.rows(kind)
        if all(told is not None for told in row.told.values())
        and not {f"{kind}.{row.name}"} & {*d.ABSENT, *d.REFUSED}
        for argument in our_arguments(ours(kind, row.name))
        if not any(argument in arguments(str(told)) for told in row.told.values())
        and (f"{kind}.{row.name}", argument) not in d.OWN_ARGUMENTS
    ]

    assert extra == []


def test_decisions_are_about_names_that_exist() -> None:
    known = {
        f"{kind}.{row.name}": row for kind in compared.classes() for row in compared.rows(kind)
    }
    decided = {*d.ABSENT, *d.REFUSED}
    decided |= {name for name, _ in {**d.REFUSED_ARGUMENTS, **d.ABSENT_ARGUMENTS}}
    of_objects = {name for name, why in d.ABSENT.items() if why == d.OF_OBJECTS}

    assert sorted(decided - of_objects - known.keys() - {"App"}) == []
    for name, argument in {**d.REFUSED_ARGUMENTS, **d.ABSENT_ARGUMENTS}:
        if name in known:
            assert any(argument in arguments(str(told)) for told in known[name].told.values())


@pytest.mark.parametrize("name", sorted(d.REFUSED))
def test_what_is_refused_is_refused_by_name(name: str) -> None:
    kind, _, method = name.rpartition(".")
    refused = getattr(compared.our_class(kind), method)

    with pytest.raises(exceptions.UnimplementedError, match=rf"{method}\(\)"):
        refused(None)
    with pytest.raises(exceptions.UnimplementedError, match=rf"{method}\(\)"):
        asyncio.run(refused.aio(None))


@pytest.mark.parametrize(("name", "argument"), sorted(d.REFUSED_ARGUMENTS))
def test_an_argument_that_is_refused_is_refused_by_name(name: str, argument: str) -> None:
    kind, _, method = name.rpartition(".")
    function = client.App if name == "App" else ours(kind, method)
    needed = {
        parameter.name: "x"
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is inspect.Parameter.empty
        and parameter.kind is not inspect.Parameter.VAR_POSITIONAL
    }
    if "self" in needed:
        needed["self"] = client.Image.host() if kind == "Image" else client.App("x")  # type: ignore[assignment]
    given: dict[str, Any] = {**needed, argument: "a value"}

    packages = ["x"] if method.endswith("pip_install") else []
    myself = [given.pop("self")] if "self" in given else []
    with pytest.raises(exceptions.UnimplementedError, match=f"^{argument}='a value'"):
        called(function, *myself, *packages, **given)


def called(function: Any, *args: Any, **kwargs: Any) -> None:
    result = function(*args, **kwargs)
    if inspect.iscoroutine(result):
        asyncio.run(result)


@pytest.mark.parametrize("version", VERSIONS)
def test_exceptions_are_modals(version: str) -> None:
    """Those that are there have the same base."""
    theirs = names(version)["exceptions"]
    missing = [name for name in theirs if not hasattr(exceptions, name)]
    bases = {
        name: [base.__name__ for base in getattr(exceptions, name).__bases__]
        for name in theirs
        if name not in d.ABSENT_EXCEPTIONS
    }

    assert sorted({*missing}) == sorted({*theirs} & {*d.ABSENT_EXCEPTIONS})
    # Those of files are the builtin `OSError`s too.
    assert {name: found[:1] for name, found in bases.items()} == {
        name: theirs[name] for name in bases
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_the_package_has_the_names_of_modals(version: str) -> None:
    missing = {name for name in names(version)["package"] if not compared.in_package(name)}

    assert missing == {*names(version)["package"]} & {*d.ABSENT_PACKAGE}


@pytest.mark.parametrize("name", sorted({*d.ABSENT_PACKAGE} - {"__version__"}))
def test_what_the_package_lacks_says_what_to_do_by_its_name(name: str) -> None:
    with pytest.raises(AttributeError, match=rf"modal\.{name} is not implemented .*; \w+"):
        getattr(pytest_sandbox, name)
    assert not hasattr(pytest_sandbox, name)


def test_no_reason_is_left_of_what_the_package_has() -> None:
    assert ABSENT.keys() == {*d.ABSENT_PACKAGE} - {"__version__"}


def test_the_page_of_the_documentation_is_up_to_date() -> None:
    """Made by `cd tests/unit && python -m client.modal_names.compared`."""
    assert compared.DOCUMENT.read_text() == compared.document()


@pytest.mark.parametrize("name", ["delete_bytes", "replace_bytes"])
def test_functions_of_files_are_there(name: str) -> None:
    assert callable(getattr(client, name))
