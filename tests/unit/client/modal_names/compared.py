"""Modal's names beside ours: what is there, and the page of the documentation that says so."""

from __future__ import annotations

import ast
import enum
import functools
import inspect
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest_sandbox
from pytest_sandbox import client, exceptions

from . import decisions as d

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[3] / "docs" / "reference" / "modal-names.md"
#: The first is what this package's names began with, the last is the newest.
VERSIONS = ("1.2.3", "1.6.4")

#: What a function takes: the name of each argument, its kind and its default.
Arguments = dict[str, tuple[str, Any]]


@functools.cache
def names(version: str) -> dict[str, Any]:
    """What `read_names.py` has printed."""
    read: dict[str, Any] = json.loads((HERE / f"{version}.json").read_text())
    return read


@dataclass(frozen=True)
class Row:
    """A name: the releases that have it, with its arguments in each, if it is called."""

    name: str
    told: dict[str, str | None]

    @property
    def newest(self) -> str | None:
        """Its arguments in the newest release that has it."""
        return self.told[max(self.told)]

    @property
    def clients(self) -> str:
        return "both" if len(self.told) == len(VERSIONS) else next(iter(self.told))


def rows(kind: str) -> list[Row]:
    """The names of a class."""
    by_version = {version: names(version)["classes"].get(kind, {}) for version in VERSIONS}
    known = sorted({name for found in by_version.values() for name in found})
    return [
        Row(name, {version: found[name] for version, found in by_version.items() if name in found})
        for name in known
    ]


def classes() -> list[str]:
    return sorted({kind for version in VERSIONS for kind in names(version)["classes"]})


def arguments(told: str) -> Arguments:
    """What a text of a signature says; falsy defaults are alike, as `{}` here is `None`."""
    (function,) = ast.parse(f"def function{told}: ...").body
    assert isinstance(function, ast.FunctionDef)
    spec = function.args
    missing: list[ast.expr | None] = [None] * (len(spec.args) - len(spec.defaults))
    found = {
        arg.arg: ("positional", _default(default))
        for arg, default in zip(spec.args, [*missing, *spec.defaults], strict=True)
    }
    if spec.vararg:
        found[spec.vararg.arg] = ("all", ...)
    for arg, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
        found[arg.arg] = ("keyword", _default(default))
    if spec.kwarg:
        found[spec.kwarg.arg] = ("keywords", ...)
    return found


def _default(node: ast.expr | None) -> Any:
    if node is None:
        return ...
    try:
        return ast.literal_eval(node) or None
    except ValueError:
        return ast.unparse(node).rpartition(".")[2]


KINDS: dict[Any, str] = {
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "positional",
    inspect.Parameter.VAR_POSITIONAL: "all",
    inspect.Parameter.KEYWORD_ONLY: "keyword",
    inspect.Parameter.VAR_KEYWORD: "keywords",
}


def our_arguments(function: Any) -> Arguments:
    found = {}
    for parameter in inspect.signature(function).parameters.values():
        default = parameter.default
        if default is inspect.Parameter.empty:
            default = ...
        elif isinstance(default, enum.Enum):
            default = default.name
        found[parameter.name] = (KINDS[parameter.kind], default or None)
    return {name: what for name, what in found.items() if name not in ("self", "cls")}


def our_class(kind: str) -> Any:
    special = {
        "Sandbox._experimental_sidecars": client.SidecarManager,
        "Sandbox.logs": client.LogReader,
        "SandboxStats": pytest_sandbox.types.SandboxStats,
        "Secret.objects": getattr(client.Secret, "objects", None),
        "Volume.objects": client.Volume.objects,
    }
    return special[kind] if kind in special else getattr(client, kind)


def ours(kind: str, name: str) -> Any:
    """The function behind a method, whichever way it is wrapped; `None` if there is none."""
    held = inspect.getattr_static(our_class(kind), name, None)
    held = getattr(held, "__func__", held)
    return getattr(held, "_core", getattr(held, "core", held))


def is_there(kind: str, name: str) -> bool:
    found = our_class(kind)
    return hasattr(found, name) or name in getattr(found, "__dataclass_fields__", ())


# The page


def _reasons(found: list[tuple[str, str]]) -> str:
    """Arguments by what is said of them."""
    by_reason: dict[str, list[str]] = {}
    for argument, reason in found:
        by_reason.setdefault(reason, []).append(f"`{argument}`")
    return ", ".join(f"{', '.join(group)} ({reason})" for reason, group in by_reason.items())


def here(kind: str, row: Row) -> str:
    """What the page says of a name."""
    name = f"{kind}.{row.name}"
    if name in d.ABSENT:
        return _not_there(d.ABSENT[name])
    if name in d.REFUSED:
        return f"refused by name: {d.REFUSED[name]}"
    told = {argument for text in row.told.values() if text for argument in arguments(text)}
    parts = ["there"]
    for what, decided in (
        ("refused by name", d.REFUSED_ARGUMENTS),
        ("not there", d.ABSENT_ARGUMENTS),
    ):
        if found := [(key[1], why) for key, why in decided.items() if key[0] == name]:
            parts.append(f"{what}: {_reasons([each for each in found if each[0] in told])}")
    return "; ".join(parts)


def table(kind: str) -> Iterator[str]:
    yield f"## {kind}\n"
    yield "| name | in | here |\n|---|---|---|"
    for row in rows(kind):
        yield f"| `{row.name}` | {row.clients} | {here(kind, row)} |"
    yield ""


def flat(title: str, key: str, absent: dict[str, str]) -> Iterator[str]:
    yield f"## {title}\n"
    yield "| name | in | here |\n|---|---|---|"
    by_version = {version: names(version)[key] for version in VERSIONS}
    for name in sorted({name for found in by_version.values() for name in found}):
        held = [version for version in VERSIONS if name in by_version[version]]
        clients = "both" if len(held) == len(VERSIONS) else held[0]
        yield f"| `{name}` | {clients} | {_absent(absent, name)} |"
    yield ""


def _absent(absent: dict[str, str], name: str) -> str:
    return _not_there(absent[name]) if name in absent else "there"


def _not_there(reason: str) -> str:
    of_sandboxes = reason not in (d.NO_FUNCTIONS, d.NO_DEPLOYMENT)
    return f"{'not there' if of_sandboxes else 'not of the sandbox part'}: {reason}"


INTRODUCTION = """\
# Modal's names

What this package's own client has of the names and arguments of Modal's client for Python, as the
releases {versions} have them; tests compare both with it. Modal's own client, unmodified,
has all of its names; for tests of code that uses it, see [Modal clients](../modal.md).

"Refused by name" means that the name is there, and each call, or each value of the argument but the
default, raises `UnimplementedError` with the name and what to do instead. Of the other arguments
the names, kinds and defaults are Modal's. Our own names and arguments are not in these tables.
"""


def document() -> str:
    """The page."""
    parts = [INTRODUCTION.format(versions=" and ".join(VERSIONS))]
    parts += flat("The package", "package", d.ABSENT_PACKAGE)
    for kind in classes():
        parts += table(kind)
    parts += flat("Exceptions", "exceptions", d.ABSENT_EXCEPTIONS)
    return "\n".join(parts).rstrip() + "\n"


def in_package(name: str) -> bool:
    return name in pytest_sandbox.__all__ or hasattr(pytest_sandbox, name)


def in_exceptions(name: str) -> bool:
    return hasattr(exceptions, name)


if __name__ == "__main__":
    DOCUMENT.write_text(document())
