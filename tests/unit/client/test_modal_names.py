"""Names, arguments and defaults are those of Modal's client 1.2.3, read off its release."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox import client
from pytest_sandbox.client import exceptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: Where Modal declares what, and what it is here.
CLASSES = {
    "Sandbox": "modal/sandbox.py",
    "ContainerProcess": "modal/container_process.py",
    "StreamReader": "modal/io_streams.py",
    "StreamWriter": "modal/io_streams.py",
    "FileIO": "modal/file_io.py",
    "Secret": "modal/secret.py",
    "Volume": "modal/volume.py",
}
#: Not here, on purpose.
ABSENT = {
    "FileIO.create",  # how Modal opens a file; here as there, callers use Sandbox.open
    "FileIO.ls",
    "FileIO.mkdir",
    "FileIO.rm",
    "FileIO.watch",
    "Secret.create_deployed",  # deprecated there
    "Secret.from_dotenv",  # needs a package that this one does not depend on
    "Secret.info",
    "Secret.name",
    "Secret.objects",
    "Volume.create_deployed",  # deprecated there
}
#: Arguments of Modal's that are not here, on purpose.
ABSENT_ARGUMENTS = {
    ("Secret.from_name", "namespace"),  # deprecated there
    ("Volume.from_name", "namespace"),
    ("Volume.ephemeral", "_heartbeat_sleep"),  # for its own tests
}
#: Arguments that 1.2.3 does not have: those of newer clients, and our own.
NEWER_ARGUMENTS = {
    ("Sandbox._experimental_from_snapshot", "alias"),
    ("Sandbox._experimental_from_snapshot", "network"),
    ("Sandbox.create", "alias"),
    ("Sandbox.create", "inbound_cidr_allowlist"),
    ("Sandbox.create", "network"),
    ("Sandbox.create", "outbound_cidr_allowlist"),
    ("Sandbox.create", "outbound_domain_allowlist"),
    ("Sandbox.create", "readiness_probe"),
    ("Sandbox.create_connect_token", "port"),
}


@pytest.fixture(scope="module")
def source(modal_wheel: Callable[[str], Path]) -> Callable[[str], ast.Module]:
    def parse(path: str) -> ast.Module:
        with zipfile.ZipFile(modal_wheel("modal==1.2.3")) as wheel:
            return ast.parse(wheel.read(path))

    return parse


Function = ast.FunctionDef | ast.AsyncFunctionDef


def public(module: ast.Module, name: str) -> Iterator[Function]:
    """The public functions of a class; of overloads the last, which is the implementation."""
    (declared,) = (
        node for node in module.body if isinstance(node, ast.ClassDef) and node.name == f"_{name}"
    )
    found = {
        node.name: node
        for node in declared.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
    }
    yield from found.values()


def arguments(function: Function) -> dict[str, tuple[str, Any]]:
    """Names, with their kinds and defaults: falsy ones are alike, as `{}` here is `None`."""
    spec = function.args
    positional = spec.posonlyargs + spec.args
    missing: list[ast.expr | None] = [None] * (len(positional) - len(spec.defaults))
    found = {
        arg.arg: ("positional", default_of(default))
        for arg, default in zip(positional, [*missing, *spec.defaults], strict=True)
    }
    if spec.vararg:
        found[spec.vararg.arg] = ("all", ...)
    for arg, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
        found[arg.arg] = ("keyword", default_of(default))
    return {name: what for name, what in found.items() if name not in ("self", "cls")}


def default_of(node: ast.expr | None) -> Any:
    if node is None:
        return ...
    try:
        return ast.literal_eval(node) or None
    except ValueError:
        return ast.unparse(node).rpartition(".")[2]  # StreamType.PIPE


KINDS: dict[Any, str] = {
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "positional",
    inspect.Parameter.VAR_POSITIONAL: "all",
    inspect.Parameter.KEYWORD_ONLY: "keyword",
}


def our_arguments(function: Any) -> dict[str, tuple[str, Any]]:
    found = {}
    for parameter in inspect.signature(function).parameters.values():
        default = parameter.default
        if default is inspect.Parameter.empty:
            default = ...
        elif isinstance(default, client.StreamType):
            default = default.name
        found[parameter.name] = (KINDS[parameter.kind], default or None)
    return {name: what for name, what in found.items() if name not in ("self", "cls")}


def ours(kind: str, name: str) -> Any:
    """The function behind a method, whichever way it is wrapped."""
    held = inspect.getattr_static(getattr(client, kind), name)
    held = getattr(held, "__func__", held)  # a static method
    return getattr(held, "_core", getattr(held, "core", held))


@pytest.mark.parametrize("kind", CLASSES)
def test_methods_and_arguments_are_modals(kind: str, source: Callable[[str], ast.Module]) -> None:
    differences = []
    for function in public(source(CLASSES[kind]), kind):
        name = f"{kind}.{function.name}"
        if name in ABSENT:
            continue
        if not hasattr(getattr(client, kind), function.name):
            differences.append(f"{name} is missing")
            continue
        held = ours(kind, function.name)
        if isinstance(held, property):
            continue
        theirs = {
            argument: what
            for argument, what in arguments(function).items()
            if (name, argument) not in ABSENT_ARGUMENTS
        }
        held_arguments = {
            argument: what
            for argument, what in our_arguments(held).items()
            if (name, argument) not in NEWER_ARGUMENTS
        }
        if held_arguments != theirs:
            differences.append(f"{name}: {held_arguments} is not {theirs}")

    assert differences == []


@pytest.mark.parametrize("name", ["delete_bytes", "replace_bytes"])
def test_functions_of_files_are_modals(name: str, source: Callable[[str], ast.Module]) -> None:
    (theirs,) = (
        node
        for node in source("modal/file_io.py").body
        if isinstance(node, ast.AsyncFunctionDef) and node.name == f"_{name}"
    )

    assert our_arguments(getattr(client, name).core) == arguments(theirs)


def test_the_filesystem_is_that_of_newer_clients(modal_wheel: Callable[[str], Path]) -> None:
    with zipfile.ZipFile(modal_wheel("modal==1.6.4")) as wheel:
        module = ast.parse(wheel.read("modal/sandbox/_filesystem.py"))

    theirs = {each.name: arguments(each) for each in public(module, "SandboxFilesystem")}

    assert theirs == {
        name: our_arguments(ours("SandboxFilesystem", name))
        for name in vars(client.SandboxFilesystem)
        if not name.startswith("_")
    }


def test_making_listing_and_deleting_volumes_is_modals(
    source: Callable[[str], ast.Module],
) -> None:
    theirs = {
        each.name: arguments(each) for each in public(source(CLASSES["Volume"]), "VolumeManager")
    }

    assert theirs == {
        name: our_arguments(held.__func__.core)
        for name, held in vars(client.Volume.objects).items()
        if not name.startswith("_")
    }


def test_a_tunnel_is_modals(source: Callable[[str], ast.Module]) -> None:
    (theirs,) = (
        node
        for node in source("modal/_tunnel.py").body
        if isinstance(node, ast.ClassDef) and node.name == "Tunnel"
    )
    fields = [ast.unparse(node) for node in theirs.body if isinstance(node, ast.AnnAssign)]
    properties = {node.name for node in theirs.body if isinstance(node, ast.FunctionDef)}

    ours = [f"{each.name}: {each.type}" for each in dataclasses.fields(client.Tunnel)]
    assert ours[: len(fields)] == fields
    assert properties <= vars(client.Tunnel).keys()


def test_looking_up_an_app_is_modals(source: Callable[[str], ast.Module]) -> None:
    (theirs,) = (
        function for function in public(source("modal/app.py"), "App") if function.name == "lookup"
    )

    assert our_arguments(client.App.lookup.core) == arguments(theirs)


def test_exceptions_have_modals_names(source: Callable[[str], ast.Module]) -> None:
    """Those that a sandbox can raise; each below the same base."""
    theirs = {
        node.name: [ast.unparse(base) for base in node.bases]
        for node in source("modal/exception.py").body
        if isinstance(node, ast.ClassDef)
    }
    here = {name: kind for name, kind in vars(exceptions).items() if name in theirs}

    assert {
        *("Error", "AlreadyExistsError", "AuthError", "ConnectionError", "ClientClosed"),
        *("ExecTimeoutError", "ExecutionError", "FilesystemExecutionError", "InvalidError"),
        *("NotFoundError", "SandboxTerminatedError", "SandboxTimeoutError", "TimeoutError"),
    } <= here.keys()
    assert {name: [base.__name__ for base in kind.__bases__] for name, kind in here.items()} == {
        name: theirs[name] for name in here
    }
