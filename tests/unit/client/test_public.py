"""What is public: its names, its types, and what it costs to import."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_sandbox
from pytest_sandbox import client, rpcs

#: What takes long to import, and is of no use until a sandbox is.
COSTLY = ("asyncio", "grpclib", "google.protobuf", "h2", "tarfile", "subprocess", "jwt")


def python(code: str) -> str:
    command = (sys.executable, "-c", code)
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_package_offers_what_its_parts_do() -> None:
    about_calls = {"Faults", "NetworkFaults", "Rpc", "Rpcs"}
    offered = {*client.__all__, *about_calls, "sandbox_template"}
    assert set(pytest_sandbox.__all__) == offered
    assert all(getattr(pytest_sandbox, name) is getattr(rpcs, name) for name in about_calls)
    assert all(getattr(pytest_sandbox, name) is getattr(client, name) for name in client.__all__)


@pytest.mark.parametrize("module", [pytest_sandbox, client])
def test_other_names_are_not_there(module: object) -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        module.nothing  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("module", ["pytest_sandbox", "pytest_sandbox.client"])
def test_importing_costs_nothing_until_something_is_used(module: str) -> None:
    code = f"import sys; import {module}; print([m for m in {COSTLY} if m in sys.modules])"

    assert python(code) == "[]\n"


def test_a_module_that_is_imported_alone_finds_the_default_client() -> None:
    modules = sorted(set(client._WHERE.values()))
    code = f"""
import importlib, os, sys
os.environ['PYTEST_SANDBOX_SOCKET'] = '/no-such-folder/socket'
for module in {modules}:
    for name in [name for name in sys.modules if name.startswith('pytest_sandbox.client')]:
        del sys.modules[name]
    importlib.import_module('pytest_sandbox.client.' + module)
    from pytest_sandbox.client.default_client import DEFAULT
    print(module, type(DEFAULT.get()).__name__)
"""

    assert python(code).splitlines() == [f"{module} Client" for module in modules]


@pytest.mark.parametrize(
    ("module", "call"),
    [
        ("sandbox.sandbox", "Sandbox.create()"),
        ("volume", "Volume.from_name('name').hydrate()"),
        ("secrets.secret", "Secret.from_dict({}).hydrate()"),
        ("apps.app", "App.lookup('name', create_if_missing=True)"),
    ],
)
def test_the_objects_of_a_module_that_is_imported_alone_make_calls(module: str, call: str) -> None:
    code = (
        "import os; os.environ['PYTEST_SANDBOX_SOCKET'] = '/no-such-folder/socket'\n"
        f"from pytest_sandbox.client.{module} import {call.partition('.')[0]}\n"
        f"try: {call}\n"
        "except Exception as error: print(type(error).__name__)"
    )

    assert python(code) == "EngineDiedError\n"


def test_catching_an_exception_does_not_import_the_client() -> None:
    code = (
        "import sys; import pytest_sandbox; pytest_sandbox.exceptions.NotFoundError; "
        f"print([m for m in {COSTLY} if m in sys.modules])"
    )

    assert python(code) == "[]\n"


def test_all_that_is_public_is_documented() -> None:
    silent = [
        f"{name}.{member}".rstrip(".")
        for name in client.__all__
        for member, value in [("", getattr(client, name)), *vars(getattr(client, name)).items()]
        if not member.startswith("_")
        and (inspect.isroutine(value) or isinstance(value, (type, property)))
        and not inspect.getdoc(value)
    ]

    assert silent == []


def test_every_async_function_has_both_faces() -> None:
    """No public method is a bare coroutine function, which a blocking caller could not use."""
    bare = [
        f"{name}.{member}"
        for name in client.__all__
        if inspect.isclass(getattr(client, name))
        for member, value in vars(getattr(client, name)).items()
        if not member.startswith("_")
        and (inspect.iscoroutinefunction(value) or inspect.isasyncgenfunction(value))
    ]

    assert bare == []


def test_types_are_those_that_a_type_checker_infers() -> None:
    """`typing_api.py` states them; mypy compares."""
    api = Path(__file__).with_name("typing_api.py")
    command = (sys.executable, "-m", "mypy", "--strict", "--python-version", "3.10", str(api))

    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=api.parents[3])

    assert done.returncode == 0, done.stdout
