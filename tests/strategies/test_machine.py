"""Engines answer what the model says, one by one and side by side."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from pytest_sandbox.engine import Capability, Engine, EngineUnavailable, ExitStatus, SystemClock
from pytest_sandbox.fakes import FakeEngine, MemoryTask
from pytest_sandbox.fakes.files.memory_files import MemoryFile, MemoryFiles
from pytest_sandbox.fakes.processes.memory_process import MemoryProcess
from pytest_sandbox.local import LocalEngine
from pytest_sandbox.remote import loopback_engine
from pytest_sandbox.strategies import check_engines

#: More of them, for a longer look than CI takes.
EXAMPLES = int(os.environ.get("SANDBOX_MACHINE_EXAMPLES", "15"))

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


@dataclass
class Started:
    engine: Engine
    capabilities: frozenset[Capability]


@pytest.fixture(scope="module")
def fake(loop: asyncio.AbstractEventLoop) -> Iterator[Started]:
    engine = FakeEngine()
    info = loop.run_until_complete(engine.start())
    yield Started(engine, info.capabilities)
    loop.run_until_complete(engine.close())


@pytest.fixture(scope="module")
def local(loop: asyncio.AbstractEventLoop) -> Iterator[Started]:
    engine = LocalEngine()
    try:
        info = loop.run_until_complete(engine.start())
    except EngineUnavailable as error:
        pytest.skip(f"the engine cannot do this here: {error.reason}")
    yield Started(engine, info.capabilities)
    loop.run_until_complete(engine.close())


@pytest.fixture(scope="module")
def remote(loop: asyncio.AbstractEventLoop) -> Iterator[Started]:
    """The engine in memory, as if it were on another machine."""
    engine = loopback_engine(lambda: FakeEngine(clock=SystemClock()))
    info = loop.run_until_complete(engine.start())
    yield Started(engine, info.capabilities)
    loop.run_until_complete(engine.close())


@pytest.mark.parametrize(
    ("names", "images"),
    [
        (["fake"], False),
        (["fake"], True),
        (["fake", "local"], False),
        (["fake", "local"], True),
        (["remote"], True),
    ],
    ids=lambda value: "-and-".join(value) if isinstance(value, list) else ("images" * value),
)
def test_engines_answer_what_the_model_says(
    names: list[str], images: bool, loop: asyncio.AbstractEventLoop, request: pytest.FixtureRequest
) -> None:
    started: dict[str, Started] = {name: request.getfixturevalue(name) for name in names}
    if images and not all(Capability.SNAPSHOT in each.capabilities for each in started.values()):
        pytest.skip("the engine cannot do this here: snapshot")
    engines = {name: each.engine for name, each in started.items()}
    check_engines(engines, loop.run_until_complete, images=images, settings=calm)


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


def keeps_the_first_image(right: Callable[..., Any]) -> Callable[..., Any]:
    async def snapshot(self: MemoryTask, *, end: bool = False) -> str:
        image: str = await right(self, end=end)
        return vars(self).setdefault("first", image)  # type: ignore[no-any-return]

    return snapshot


def never_ends(right: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, *, end: right(self, end=False)


def forgets_nothing(_: Callable[..., Any]) -> Callable[..., Any]:
    async def forget(self: FakeEngine, image: str) -> None:
        pass

    return forget


def mounts_nothing(right: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, path, _: right(self, path, None)


def takes_all_mounts_away(right: Callable[..., Any]) -> Callable[..., Any]:
    async def unmount(self: MemoryTask, path: str) -> None:
        await right(self, path)
        with suppress(OSError):
            await right(self, path)

    return unmount


@pytest.mark.parametrize(
    ("owner", "method", "lie", "images"),
    [
        (MemoryFiles, "open", wrong_errno, False),
        (MemoryFiles, "stat", follows_always, False),
        (MemoryFiles, "listdir", unsorted, False),
        (MemoryFiles, "remove", removes_more, False),
        (MemoryFile, "truncate", keeps_what_is_cut, False),
        (MemoryProcess, "wait", forgets_the_code, False),
        (MemoryTask, "snapshot", keeps_the_first_image, True),
        (MemoryTask, "snapshot", never_ends, True),
        (MemoryTask, "mount", mounts_nothing, True),
        (MemoryTask, "unmount", takes_all_mounts_away, True),
        (FakeEngine, "forget", forgets_nothing, True),
    ],
)
def test_an_engine_that_lies_is_found_out(
    owner: type,
    method: str,
    lie: Callable[[Callable[..., Any]], Callable[..., Any]],
    images: bool,
    loop: asyncio.AbstractEventLoop,
    fake: Started,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(owner, method, lie(getattr(owner, method)))
    # With images, whose steps need others before them, few long examples find it sooner.
    steps = 60 if images else 40
    found = settings(calm, max_examples=1000, stateful_step_count=steps, phases=[Phase.generate])
    with pytest.raises(AssertionError, match=r"fake (answered|still runs)"):
        check_engines({"fake": fake.engine}, loop.run_until_complete, images=images, settings=found)
