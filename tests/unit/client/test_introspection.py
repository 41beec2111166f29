"""What `inspect`, `help` and `unittest.mock` make of the public classes."""

from __future__ import annotations

import asyncio
import inspect
import pydoc
import re
from typing import Any
from unittest import mock

import pytest

from pytest_sandbox import client, delete_bytes
from pytest_sandbox.client import (
    App,
    Client,
    ContainerProcess,
    Sandbox,
    SandboxFilesystem,
    StreamReader,
    Volume,
)

READ: Any = vars(StreamReader)["read"].__get__(None, StreamReader)


def described(thing: object) -> str:
    """Its help, with each signature on one line, as before Python 3.13."""
    text = pydoc.plain(pydoc.render_doc(thing))
    return re.sub(r",\n[ |]+", ", ", re.sub(r"\(\n[ |]+", "(", text))


def methods(owner: type) -> list[tuple[str, Any]]:
    found = [(name, getattr(owner, name)) for name in dir(owner) if not name.startswith("_")]
    return [
        (name, value)
        for name, value in found
        if callable(value)
        and not inspect.isclass(value)
        and not (hasattr(int, name) or hasattr(Exception, name))
    ]


@pytest.mark.parametrize("name", client.__all__)
def test_all_methods_have_a_signature_and_a_name(name: str) -> None:
    owner = getattr(client, name)
    if not inspect.isclass(owner):
        return
    for method, value in methods(owner):
        assert inspect.isroutine(value), method
        assert inspect.signature(value)
        assert value.__name__ == method
        assert value.__qualname__.endswith("." + method)


def test_signatures_are_those_of_the_functions() -> None:
    taken = inspect.signature(Sandbox.exec).parameters
    assert list(taken)[:4] == ["self", "args", "stdout", "stderr"]
    assert taken["timeout"].default is None
    assert "self" not in inspect.signature(Sandbox.create).parameters
    assert inspect.signature(Sandbox.create).return_annotation == "Sandbox"
    assert list(inspect.signature(READ).parameters) == ["self"]


@pytest.mark.parametrize(
    ("function", "item"),
    [
        (Sandbox.watch, "FileWatchEvent"),
        (Sandbox.list, "Sandbox"),
        (SandboxFilesystem.watch, "FileWatchEvent"),
        (Volume.iterdir, "FileEntry"),
    ],
)
def test_iterators_name_what_each_face_gives(function: Any, item: str) -> None:
    blocking, awaited = inspect.signature(function), inspect.signature(function.aio)
    assert blocking.return_annotation == f"Generator[{item}, None, None]"
    assert function.__annotations__["return"] == blocking.return_annotation
    assert awaited.return_annotation == f"AsyncGenerator[{item}, None]"
    assert function.aio.__annotations__["return"] == awaited.return_annotation
    assert blocking.parameters == awaited.parameters


@pytest.mark.parametrize(
    ("function", "title", "head"),
    [
        (Sandbox.exec, "function exec in module", "exec(self, *args: "),
        (Sandbox.create, "function create in module", "create(*args: "),
        (Sandbox.watch, "function watch in module", "watch(self, path: "),
        (App.lookup, "function lookup in module", "lookup(name: "),
        (READ, "function read in module", "read(self) -> "),
        (delete_bytes, "function delete_bytes in module", "delete_bytes(file: "),
    ],
)
def test_help_shows_the_signature_and_the_description(function: Any, title: str, head: str) -> None:
    text = described(function)

    assert title in text.splitlines()[0]
    assert head in text
    assert inspect.getdoc(function).splitlines()[0] in text  # type: ignore[union-attr]


def test_help_of_an_object_is_that_of_the_function() -> None:
    text = described(Sandbox("sb-1", Client("/no/socket")).exec)

    assert "method exec in module" in text.splitlines()[0]
    assert "Start a command, and return while it runs." in text


def test_help_of_a_class_lists_the_methods() -> None:
    text = described(Sandbox)

    assert " |  exec(self, *args: " in text
    assert " |  create(*args: " in text
    assert "dual" not in text


@pytest.mark.parametrize("made", ["class", "instance", "object"])
def test_autospec_takes_what_the_methods_take_and_nothing_else(made: str) -> None:
    if made == "object":
        sandbox = mock.create_autospec(Sandbox("sb-1", Client("/no/socket")))
    else:
        sandbox = mock.create_autospec(Sandbox, instance=made == "instance")
    sandbox.exec.return_value = process = mock.create_autospec(ContainerProcess, instance=True)
    process.wait.return_value = 0
    process.stdout.read.return_value = "hi\n"

    assert sandbox.exec("echo", "hi", timeout=5) is process
    assert process.wait() == 0
    assert process.stdout.read() == "hi\n"
    sandbox.terminate()

    sandbox.exec.assert_called_once_with("echo", "hi", timeout=5)
    with pytest.raises(TypeError, match="unexpected keyword argument 'cwd'"):
        sandbox.exec("echo", cwd="/")
    with pytest.raises(TypeError, match="too many positional arguments"):
        sandbox.terminate(1)
    with pytest.raises(AttributeError, match="execute"):
        sandbox.execute("echo")


def test_autospec_of_static_methods() -> None:
    sandbox = mock.create_autospec(Sandbox)

    assert sandbox.create("sleep", "5", timeout=5) is sandbox.create.return_value
    with pytest.raises(TypeError, match="unexpected keyword argument 'cwd'"):
        sandbox.create(cwd="/")
    with pytest.raises(TypeError):
        mock.create_autospec(Volume).from_name()


def test_autospec_is_awaited_too() -> None:
    sandbox = mock.create_autospec(Sandbox, instance=True)
    sandbox.poll.aio.return_value = 3

    async def main() -> None:
        assert await sandbox.poll.aio() == 3
        assert await mock.create_autospec(Sandbox).create.aio("sleep") is not None

    asyncio.run(main())


def test_patches_with_autospec_get_self() -> None:
    sandbox = Sandbox("sb-1", Client("/no/socket"))

    with mock.patch.object(Sandbox, "exec", autospec=True) as exec_:
        sandbox.exec("ls")
        exec_.assert_called_once_with(sandbox, "ls")
        with pytest.raises(TypeError):
            sandbox.exec("ls", cwd="/")  # type: ignore[call-overload]
    with mock.patch.object(Sandbox, "create", autospec=True) as create:
        Sandbox.create("ls")
        create.assert_called_once_with("ls")

    assert repr(sandbox.exec) == "Sandbox('sb-1').exec"
