"""Hints in the report of a failing test, at mistakes that pytest or Python told in their words."""

from __future__ import annotations

import ast
import re
import sys
from typing import TYPE_CHECKING

from ..modal.hints import modal_hints
from . import property_tests

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

#: Fixtures that every test has for itself.
_FOR_ONE_TEST = (
    "sandbox|sandbox_factory|sandbox_network|sandbox_network_log|sandbox_network_faults|"
    "fake_sandboxes|sandbox_rpcs|sandbox_faults"
)
_SCOPE_MISMATCH = re.compile(
    rf"ScopeMismatch: You tried to access the function scoped fixture ({_FOR_ONE_TEST}) with a "
    r"(\w+) scoped request"
)
_WIDER_SCOPE = """\
{fixture!r} is made for each test. What tests of a {scope} can share:

- the preparation, done once, with a copy of the sandbox for each test:

    @sandbox_template(scope="session")
    def prepared(sandbox):
        sandbox.run("pip", "install", "flask", check=True)

- one sandbox, which they all change: `Sandbox.create()` in the fixture, `terminate()` at its end.

For several sandboxes in one test there is the fixture `sandbox_factory`."""
#: What Python says before 3.14, and from then on.
_NOT_AWAITABLE = re.compile(r"can't be used in 'await' expression|can't be awaited")


def hints(
    item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException] | None
) -> Iterator[tuple[str, str]]:
    """Sections for the report of a failure: title and text."""
    if excinfo is None:
        return
    yield from property_tests.hint(item, excinfo.value)
    yield from modal_hints(item, excinfo)
    if found := _SCOPE_MISMATCH.search(str(excinfo.value)):
        text = _WIDER_SCOPE.format(fixture=found[1], scope=found[2])
        yield "sandboxes for more than one test", text
    if isinstance(excinfo.value, TypeError) and _NOT_AWAITABLE.search(str(excinfo.value)):
        yield from _blocking_calls(str(excinfo.traceback[-1].statement))


def _blocking_calls(statement: str) -> Iterator[tuple[str, str]]:
    """A section if a statement awaits the result of a blocking call."""
    for name in _awaited_calls(statement):
        if name == "sandbox_factory" or name in _names_with_aio():
            dots = "" if name == "sandbox_factory" else "…."
            text = f"A plain call of {name} blocks. To await it, write: await {dots}{name}.aio(…)"
            yield "await", text


def _awaited_calls(statement: str) -> Iterator[str]:
    """`exec`, for `await sandbox.exec("ls")`."""
    try:
        tree = ast.parse(statement.strip())
    except SyntaxError:  # the first line of a block, `async with await ...:`
        try:
            tree = ast.parse(f"{statement.strip()} pass")
        except SyntaxError:
            return
    for node in ast.walk(tree):
        if isinstance(node, ast.Await) and isinstance(node.value, ast.Call):
            called = node.value.func
            if isinstance(called, ast.Attribute):
                yield called.attr
            elif isinstance(called, ast.Name):
                yield called.id


def _names_with_aio() -> set[str]:
    client = sys.modules.get("pytest_sandbox.client")
    if client is None:
        return set()
    kinds = [getattr(client, name) for name in client.__all__]
    classes = [kind for kind in kinds if isinstance(kind, type)]
    return {
        name for kind in classes for name in dir(kind) if hasattr(getattr(kind, name, None), "aio")
    }
