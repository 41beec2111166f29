"""Engines answer what the model says, one by one and side by side."""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from pytest_sandbox.engine import Engine, EngineUnavailable, ExitStatus, Task, TaskSpec
from pytest_sandbox.fakes import FakeEngine
from pytest_sandbox.fakes._files import MemoryFile, MemoryFiles
from pytest_sandbox.fakes._process import MemoryProcess
from pytest_sandbox.local import LocalEngine
from pytest_sandbox.strategies import check_engines

#: More of them, for a longer look than CI takes.
EXAMPLES = int(os.environ.get("SANDBOX_MACHINE_EXAMPLES", "25"))

calm = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate] if os.environ.get("NOSHRINK") else list(Phase),
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


@pytest.fixture(scope="module")
def fake(loop: asyncio.AbstractEventLoop) -> Iterator[Engine]:
    engine = FakeEngine()
    loop.run_until_complete(engine.start())
    yield engine
    loop.run_until_complete(engine.close())


@pytest.fixture(scope="module")
def local(loop: asyncio.AbstractEventLoop) -> Iterator[Engine]:
    engine = LocalEngine()
    try:
        loop.run_until_complete(engine.start())
    except EngineUnavailable as error:
        pytest.skip(f"the engine cannot do this here: {error.reason}")
    yield engine
    loop.run_until_complete(engine.close())


@pytest.mark.parametrize("names", [["fake"], ["local"], ["fake", "local"]], ids="-and-".join)
def test_engines_answer_what_the_model_says(
    names: list[str], loop: asyncio.AbstractEventLoop, request: pytest.FixtureRequest
) -> None:
    engines: Mapping[str, Engine] = {name: request.getfixturevalue(name) for name in names}
    check_engines(engines, loop.run_until_complete, settings=calm)


def test_forks_are_sandboxes_of_their_own(loop: asyncio.AbstractEventLoop, fake: Engine) -> None:
    async def fork(task: Task) -> Task:
        return await fake.create(TaskSpec(image=await task.snapshot()))

    check_engines({"fake": fake}, loop.run_until_complete, forks={"fake": fork}, settings=calm)


def test_forks_that_share_files_are_found_out(
    loop: asyncio.AbstractEventLoop, fake: Engine
) -> None:
    async def share(task: Task) -> Task:
        return task

    found = settings(calm, max_examples=500, phases=[Phase.generate])
    with pytest.raises(AssertionError, match="fake answers"):
        check_engines(
            {"fake": fake}, loop.run_until_complete, forks={"fake": share}, settings=found
        )


def wrong_errno(right: Callable[..., Any]) -> Callable[..., Any]:
    async def open_(*args: Any) -> Any:
        try:
            return await right(*args)
        except IsADirectoryError as error:
            raise PermissionError(1, "a lie") from error

    return open_


def follows_always(right: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, path, follow: right(self, path, follow=True)


def unsorted(right: Callable[..., Any]) -> Callable[..., Any]:
    async def listdir(*args: Any) -> Any:
        return (await right(*args))[::-1]

    return listdir


def keeps_what_is_cut(right: Callable[..., Any]) -> Callable[..., Any]:
    async def truncate(self: Any, size: int) -> None:
        await right(self, max(size, await self.size()))

    return truncate


def forgets_the_code(right: Callable[..., Any]) -> Callable[..., Any]:
    async def wait(self: Any) -> ExitStatus:
        status: ExitStatus = await right(self)
        return replace(status, code=min(status.code, 127)) if status.code else status

    return wait


def removes_more(right: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, path, recursive: right(self, path, recursive=True)


@pytest.mark.parametrize(
    ("owner", "method", "lie"),
    [
        (MemoryFiles, "open", wrong_errno),
        (MemoryFiles, "stat", follows_always),
        (MemoryFiles, "listdir", unsorted),
        (MemoryFiles, "remove", removes_more),
        (MemoryFile, "truncate", keeps_what_is_cut),
        (MemoryProcess, "wait", forgets_the_code),
    ],
)
def test_an_engine_that_lies_is_found_out(
    owner: type,
    method: str,
    lie: Callable[[Callable[..., Any]], Callable[..., Any]],
    loop: asyncio.AbstractEventLoop,
    fake: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(owner, method, lie(getattr(owner, method)))
    found = settings(calm, max_examples=500, phases=[Phase.generate])
    with pytest.raises(AssertionError, match="fake answers"):
        check_engines({"fake": fake}, loop.run_until_complete, settings=found)
