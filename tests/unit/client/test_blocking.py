"""A blocking call in a coroutine warns, and names the awaited form."""

from __future__ import annotations

import asyncio
import sys
import warnings
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import trio

from pytest_sandbox import Sandbox
from pytest_sandbox.client.exceptions import BlockingCallWarning

if TYPE_CHECKING:
    from pytest_sandbox.inmemory import FakeSandboxes

Run = Callable[[Callable[[], Coroutine[Any, Any, Any]]], object]


@pytest.fixture
def sandbox(fake_sandboxes: FakeSandboxes) -> Sandbox:
    return Sandbox.create()


@pytest.fixture(params=["asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Run:
    return trio.run if request.param == "trio" else lambda main: asyncio.run(main())


@pytest.fixture
def told() -> Iterator[list[warnings.WarningMessage]]:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        yield told


def lines_of(function: Callable[..., object]) -> range:
    first = function.__code__.co_firstlineno
    return range(first, first + 12)


def test_it_names_aio_and_the_line(
    sandbox: Sandbox, run: Run, told: list[warnings.WarningMessage]
) -> None:
    async def main() -> None:
        sandbox.run("true")

    run(main)

    (one,) = told
    assert one.category is BlockingCallWarning
    assert "run() blocks the event loop" in str(one.message)
    assert "run.aio()" in str(one.message)
    assert one.filename == __file__
    assert one.lineno in lines_of(main)


def test_each_line_is_told_once(sandbox: Sandbox, told: list[warnings.WarningMessage]) -> None:
    async def main() -> None:
        for _ in range(3):
            sandbox.run("true")
        sandbox.run("true")

    asyncio.run(main())

    assert len(told) == 2


def test_as_an_error_it_is_raised_by_each_call(sandbox: Sandbox) -> None:
    async def main() -> None:
        for _ in range(2):
            with pytest.raises(BlockingCallWarning):
                sandbox.run("true")

    asyncio.run(main())


def test_reading_and_iterating_too(sandbox: Sandbox, told: list[warnings.WarningMessage]) -> None:
    async def main() -> None:
        process = await sandbox.exec.aio("echo", "hi")
        next(process.stdout)
        process.stdout.read()
        list(Sandbox.list())
        await process.wait.aio()

    asyncio.run(main())

    assert [str(one.message).partition(" blocks")[0] for one in told] == [
        "reading stdout",
        "read()",
        "list()",
    ]
    assert "async for" in str(told[0].message)


def test_a_function_that_a_coroutine_calls(
    sandbox: Sandbox, told: list[warnings.WarningMessage]
) -> None:
    def helper() -> None:
        sandbox.run("true")

    async def main() -> None:
        helper()

    asyncio.run(main())

    assert [one.lineno in lines_of(helper) for one in told] == [True]


def test_nothing_is_said_where_blocking_is_right(
    sandbox: Sandbox, told: list[warnings.WarningMessage]
) -> None:
    async def main() -> None:
        process = await sandbox.exec.aio("true")
        await process.wait.aio()
        await asyncio.to_thread(sandbox.run, "true")
        # Neither is a callback a coroutine, which could await.
        asyncio.get_running_loop().call_soon(sandbox.run, "true")
        await asyncio.sleep(0)

    asyncio.run(main())
    sandbox.run("true")

    assert told == []


@pytest.mark.parametrize("name", ["IPython.core.interactiveshell", "pdb"])
def test_the_calls_of_a_runner_are_its_own_matter(
    sandbox: Sandbox, told: list[warnings.WarningMessage], name: str
) -> None:
    """As in a notebook, whose cells run inside a coroutine of IPython."""
    runner: dict[str, Any] = {"__name__": name}
    exec("async def run_cell(cell): cell()", runner)

    asyncio.run(runner["run_cell"](lambda: sandbox.run("true")))

    assert told == []


def test_fixtures_of_a_pytest_that_runs_in_a_coroutine(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
            def test_it(sandbox, sandbox_factory):
                assert sandbox.run("echo", "hi").stdout == "hi\\n"
                sandbox_factory()
            """,
        main="""
            import asyncio, sys, pytest

            async def main():
                return pytest.main(["-q", "-Werror", "-p", "no:asyncio",
                    "--sandbox-engine=fake", "test_it.py"])

            sys.exit(asyncio.run(main()))
            """,
    )

    assert pytester.run(sys.executable, "main.py").ret == 0
