"""The reference, `docs/reference/`, has every public name, and describes all of it."""

import argparse
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import pytest_sandbox
from pytest_sandbox import engines, exceptions, fakes, inmemory, plugin, rpcs, strategies
from pytest_sandbox.cli import _main as cli
from pytest_sandbox.engine import conformance
from pytest_sandbox.plugin.declarations import declare_options

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = {path.name: path.read_text() for path in sorted(REFERENCE.glob("*.md"))}
#: What mkdocs puts the description of a name in place of, and the members that it shows of it.
DIRECTIVE = re.compile(r"^::: (\S+)$(?:\n    options:\n      members: \[([^\]]*)\])?", re.MULTILINE)
SHOWN = {
    name: re.findall(r"\w+", members)
    for page in PAGES.values()
    for name, members in DIRECTIVE.findall(page)
}
#: The modules that other projects may import, and those of their names that are not for these.
OFFERED: dict[ModuleType, set[str]] = {
    pytest_sandbox: {"exceptions"},
    conformance: set(),
    importlib.import_module("pytest_sandbox.engine"): set(),
    fakes: set(),
    inmemory: set(),
    plugin: {"pytest_addoption"},
    rpcs: set(),
    strategies: set(),
}


def resolved(name: str) -> Any:
    """The object that a dotted name stands for."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = inspect.getattr_static(found, part, None) or getattr(found, part)
        return found
    raise AssertionError(name)


def all_pages() -> str:
    return (ROOT / "docs" / "reference.md").read_text() + "".join(PAGES.values())


@pytest.mark.parametrize("name", sorted(SHOWN))
def test_what_the_reference_shows_exists(name: str) -> None:
    assert resolved(name) is not None


@pytest.mark.parametrize("module", OFFERED, ids=lambda module: module.__name__)
def test_every_public_name_is_in_the_reference(module: ModuleType) -> None:
    shown = [resolved(name) for name in SHOWN]
    missing = [
        name
        for name in sorted({*module.__all__} - OFFERED[module])
        if not any(getattr(module, name) is each for each in shown)
    ]

    assert missing == []


def test_the_functions_that_find_engines_are_in_the_reference() -> None:
    public = {
        name
        for name, value in vars(engines).items()
        if name[0] != "_" and getattr(value, "__module__", "") == engines.__name__
    }

    assert {f"pytest_sandbox.engines.{name}" for name in public} <= {*SHOWN}


def test_every_exception_is_in_the_reference() -> None:
    public = {
        f"pytest_sandbox.exceptions.{name}"
        for name, value in vars(exceptions).items()
        if isinstance(value, type) and issubclass(value, exceptions.Error)
    }

    assert public <= {*SHOWN}
    assert len(public) > 20


@pytest.mark.parametrize(
    "name", sorted(name for name in SHOWN if name.startswith("pytest_sandbox.exceptions."))
)
def test_an_exception_says_when_it_is_raised_and_what_to_do(name: str) -> None:
    """The first sentence says what happened. At least one more says what to do about it."""
    description = inspect.getdoc(resolved(name)) or ""

    assert len(description.partition("\n\n")[2].partition("\n\nArgs:")[0].split()) > 5


def public_methods(kind: type) -> set[str]:
    """Those of Modal that begin with `_experimental` are public, as is what is inherited."""
    return {
        name
        for name in dir(kind)
        if (name[0] != "_" or name.startswith("_experimental")) and not hasattr(object, name)
    }


def test_every_method_of_a_sandbox_is_in_the_reference() -> None:
    name = "pytest_sandbox.Sandbox"
    alone = {each.rpartition(".")[2] for each in SHOWN if each.startswith(f"{name}.")}

    # Those that are refused are on the page of Modal's names.
    refused = {
        method
        for method in public_methods(pytest_sandbox.Sandbox)
        if str(getattr(pytest_sandbox.Sandbox, method).__doc__).startswith("Refused: ")
    }

    assert public_methods(pytest_sandbox.Sandbox) - refused == {*SHOWN[name], *alone}


def described_functions() -> Iterator[Any]:
    """Each public function and method of `pytest_sandbox`, with its name for the report."""
    for name in sorted({*pytest_sandbox.__all__} - {"exceptions"}):
        value = getattr(pytest_sandbox, name)
        if inspect.isfunction(value):
            yield pytest.param(value, id=name)
        elif isinstance(value, type) and name != "StreamType":
            for method in sorted(public_methods(value)):
                function = getattr(value, method)
                inherited = hasattr(int, method) or hasattr(Exception, method)
                if callable(function) and not isinstance(function, type) and not inherited:
                    yield pytest.param(function, id=f"{name}.{method}")


@pytest.mark.parametrize("function", [*described_functions()])
def test_every_argument_is_described(function: Any) -> None:
    """One argument may be described by the first sentence; several are listed."""
    description = inspect.getdoc(function) or ""
    listed = re.findall(r"^    \*{0,2}(\w+): \S", description.partition("Args:")[2], re.MULTILINE)
    arguments = [name for name in inspect.signature(function).parameters if name != "self"]
    refused = description.startswith("Refused")

    assert description
    assert refused or len(arguments) < 2 or set(arguments) <= set(listed)


def fixtures() -> set[str]:
    """The public fixtures of the plugin."""
    found: set[str] = set()
    for path in (ROOT / "pytest_sandbox" / "plugin").rglob("*.py"):
        code = path.read_text()
        found |= {
            *re.findall(r"^@pytest\.fixture.*\n(?:async )?def ([a-z]\w+)", code, re.MULTILINE)
        }
    return found


def test_every_fixture_is_in_the_reference() -> None:
    table = (ROOT / "docs" / "reference.md").read_text().partition("## Fixtures")[2]
    told = set(re.findall(r"^\| `(\w+)` \|", table.partition("\n## ")[0], re.MULTILINE))

    assert told == fixtures()
    assert "sandbox" in told


def test_every_setting_of_the_ini_file_is_in_the_reference() -> None:
    parser = pytest.Parser(_ispytest=True)
    declare_options(parser)

    assert [name for name in parser._inidict if f"`{name}`" not in all_pages()] == []


def test_every_environment_variable_is_in_the_reference() -> None:
    table = all_pages().partition("## Environment variables")[2].partition("\n## ")[0]
    told = set(re.findall(r"^\| `(PYTEST_SANDBOX_\w+)` \|", table, re.MULTILINE))
    used = {
        name
        for path in (ROOT / "pytest_sandbox").rglob("*.py")
        for name in re.findall(r"\bPYTEST_SANDBOX_[A-Z_]+\b", path.read_text())
    }

    assert told == used


def test_every_option_of_the_command_line_is_in_the_reference() -> None:
    told = PAGES["cli.md"] + (ROOT / "docs" / "modal.md").read_text()
    told = told.replace("`pytest-sandbox --", "`--")
    options = {"--version"}
    for module in vars(cli)["_COMMANDS"].values():
        parser = argparse.ArgumentParser(add_help=False)
        module.add_arguments(parser)
        options |= {name for action in parser._actions for name in action.option_strings}

    assert [name for name in sorted(options) if f"`{name}" not in told] == []
