"""Spares: made unasked while the engine is idle, and shown in nothing but time."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox.engine import (
    Gpus,
    Limits,
    MemorySnapshot,
    Network,
    ProcessSpec,
    Requests,
    Snapshot,
    StoreFull,
    Task,
    TaskSpec,
    UnknownImage,
    VolumeMount,
)
from pytest_sandbox.local import LocalEngine, LocalOptions
from pytest_sandbox.local.agents.errors import BuildFailed
from pytest_sandbox.local.engine import spares
from pytest_sandbox.local.engine.activity import Activity
from pytest_sandbox.local.engine.machine import memory_shares
from pytest_sandbox.local.engine.pool import capacity
from pytest_sandbox.local.engine.shape import shape_of
from pytest_sandbox.local.engine.spares import Spares

from .conftest import descriptors, shell

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from pytest_sandbox.local.engine.task import LocalTask

pytestmark = pytest.mark.asyncio


async def started(**options: Any) -> LocalEngine:
    engine = LocalEngine(LocalOptions(**options))
    await engine.start()
    return engine


async def a_spare(engine: LocalEngine) -> LocalTask:
    """The only spare, which is made once the engine has had a moment of rest."""
    deadline = time.monotonic() + 30
    while not engine.factory.pool.tasks:
        assert time.monotonic() < deadline, "no spare was ever made"
        await asyncio.sleep(0.001)
    (making,) = engine.factory.pool.tasks
    return await asyncio.shield(making)


class Kept:
    """Stands in for a pool, and notes the spares that it is to hold."""

    def __init__(self) -> None:
        self.shapes: list[TaskSpec] = []
        self.making: list[asyncio.Future[None]] = []

    def keep_spare(self, shape: TaskSpec) -> asyncio.Future[None]:
        self.shapes.append(shape)
        self.making.append(asyncio.get_running_loop().create_future())
        return self.making[-1]


A, B = TaskSpec(hostname="a"), TaskSpec(hostname="b")


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> tuple[Kept, Activity, Spares]:
    monkeypatch.setattr(spares, "_IDLE_AFTER", 1e-4)
    pool, activity = Kept(), Activity()
    return pool, activity, Spares(pool, activity)  # type: ignore[arg-type]


async def a_moment() -> None:
    """A hundred times as long as it takes until the engine is idle."""
    await asyncio.sleep(0.01)


async def test_one_sandbox_of_a_kind_costs_nothing(kept: tuple[Kept, Activity, Spares]) -> None:
    pool, _, spares = kept
    spares.asked_for(A, claimed=False)
    spares.asked_for(B, claimed=False)
    await a_moment()
    assert pool.shapes == []
    spares.asked_for(A, claimed=False)
    await a_moment()
    assert pool.shapes == [A]


async def test_the_second_has_to_come_soon(
    kept: tuple[Kept, Activity, Spares], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, _, made = kept
    made.asked_for(A, claimed=False)
    monkeypatch.setattr(spares, "_SOON", -1.0)
    made.asked_for(A, claimed=False)
    await a_moment()
    assert pool.shapes == []
    made.asked_for(A, claimed=True)  # the pool had one, so more are likely
    await a_moment()
    assert pool.shapes == [A]


async def test_none_is_made_once_the_engine_is_closed(kept: tuple[Kept, Activity, Spares]) -> None:
    pool, _, spares = kept
    spares.close()
    spares.asked_for(A, claimed=True)
    await a_moment()
    assert pool.shapes == []


async def test_what_could_not_be_made_was_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(Spares, "asked_for", lambda _, shape, claimed: asked.append(claimed))
    engine = await started()
    for _ in range(2):
        with pytest.raises(UnknownImage):
            await engine.create(TaskSpec(image=Snapshot("none")))
    assert asked == []
    await engine.create(TaskSpec())
    assert asked == [False]
    await engine.prepare(TaskSpec())
    await engine.create(TaskSpec())
    await engine.close()
    assert asked == [False, True]


async def test_none_is_made_while_something_is_under_way(
    kept: tuple[Kept, Activity, Spares],
) -> None:
    pool, activity, spares = kept
    with activity:
        spares.asked_for(A, claimed=True)
        await a_moment()
        assert pool.shapes == []
    await a_moment()
    assert pool.shapes == [A]


async def test_they_are_made_one_at_a_time_and_the_latest_kind_first(
    kept: tuple[Kept, Activity, Spares],
) -> None:
    pool, _, spares = kept
    for each in (A, B, A):
        spares.asked_for(each, claimed=True)
    await a_moment()
    assert pool.shapes == [A]
    pool.making[0].set_result(None)
    await a_moment()
    assert pool.shapes == [A, B]


async def test_none_is_made_once_they_are_closed_or_memory_is_short(
    kept: tuple[Kept, Activity, Spares], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, _, made = kept
    made.asked_for(A, claimed=True)
    made.close()
    await a_moment()
    monkeypatch.setattr(memory_shares, "are_used_up", lambda: True)
    made.asked_for(B, claimed=True)
    await a_moment()
    assert pool.shapes == []


@pytest.mark.parametrize(
    "spec",
    [
        TaskSpec(volumes=(VolumeMount("v", "/v"),)),
        TaskSpec(gpus=Gpus()),
        TaskSpec(resume=MemorySnapshot("m")),
        TaskSpec(exit_snapshot=True),
    ],
    ids=["volume", "gpu", "memory", "exit snapshot"],
)
async def test_what_others_may_see_or_want_is_not_made_ahead(spec: TaskSpec) -> None:
    assert shape_of(spec) is None


async def test_what_is_secret_is_no_part_of_a_shape() -> None:
    spec = TaskSpec(env={"TOKEN": "secret"}, name="n", tags={"t": "secret"}, network=Network())
    assert shape_of(spec) == TaskSpec(network=Network())


async def test_what_a_sandbox_is_expected_to_need_is_no_part_of_a_shape() -> None:
    assert shape_of(TaskSpec(requests=Requests(cpus=1.0))) == shape_of(TaskSpec())


async def test_the_third_sandbox_of_a_kind_is_a_spare_and_like_the_first() -> None:
    engine = await started()
    look = "pwd; uname -n; id; echo $A $$; env; cat /proc/1/environ; ls -A /root /tmp; ls /proc"
    spec = TaskSpec(hostname="kind", workdir="/work", env={"A": "1"}, limits=Limits(processes=99))
    first = await engine.create(spec)
    await engine.create(TaskSpec(**{**vars(spec), "env": {"SECRET": "x"}, "name": "other"}))
    spare = await a_spare(engine)
    third = await engine.create(spec)
    assert third is spare
    assert await shell(third, look) == await shell(first, look)
    assert (await third.usage()).oom_kills == 0
    await engine.close()


async def test_a_spare_shows_files_of_the_machine_as_they_are_when_it_is_taken(
    tmp_path: Path,
) -> None:
    for name in ("changed", "removed"):
        (tmp_path / name).write_text("old")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").touch()
    engine = await started(project=str(tmp_path))
    spec = TaskSpec(project=True)
    for _ in range(2):
        await (await engine.create(spec)).kill()
    spare = await a_spare(engine)

    (tmp_path / "changed").write_text("much newer")
    (tmp_path / "removed").unlink()
    (tmp_path / "added").write_text("new")
    (tmp_path / "folder").rename(tmp_path / "moved")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "new").touch()

    task = await engine.create(spec)
    assert task is spare
    seen = await shell(task, f"cd {tmp_path}; echo *; cat changed added; ls folder moved")
    assert seen.out == "added changed folder moved\nmuch newernewfolder:\nnew\n\nmoved:\nold\n"
    await engine.close()


async def test_a_hint_takes_the_spare_of_its_kind_over_and_others_make_room() -> None:
    engine = await started()
    for _ in range(2):
        await engine.create(TaskSpec())
    spare = await a_spare(engine)
    await engine.prepare(TaskSpec())
    assert await a_spare(engine) is spare
    for number in range(capacity()):
        await engine.prepare(TaskSpec(hostname=f"n{number}"))
    assert len(engine.factory.pool.tasks) == capacity()
    assert engine.factory.pool.keep_spare(B) is None  # hints come first
    await engine.close()


async def test_a_spare_of_an_image_ends_with_it() -> None:
    engine = await started()
    image = await (await engine.create(TaskSpec())).snapshot(end=True)
    for _ in range(2):
        await (await engine.create(TaskSpec(image=image))).kill()
    spare = await a_spare(engine)
    assert engine.frees(image)
    await engine.forget(image)
    await spare.wait()
    await engine.factory.pool.ended()
    assert engine.factory.store.layers == 0
    await engine.close()


async def test_spares_give_their_room_to_what_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = await started()
    factory = engine.factory
    for _ in range(2):
        await engine.create(TaskSpec())
    spare = await a_spare(engine)
    build = factory.build
    refusals = iter([errno.ENOSPC])

    async def full(spec: TaskSpec, *args: Any) -> LocalTask:
        for number in refusals:
            raise BuildFailed(OSError(number, "full", ""))
        return await build(spec, *args)

    monkeypatch.setattr(factory, "build", full)
    await engine.create(TaskSpec(hostname="other"))
    assert spare.poll() is not None
    refusals = iter([errno.ENOSPC, errno.ENOSPC])
    with pytest.raises(StoreFull):
        await engine.create(TaskSpec(hostname="other"))
    await engine.close()


@contextlib.contextmanager
def one_descriptor_left() -> Iterator[None]:
    """For one that a thread may open; a sandbox needs two."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, descriptors()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 2, before[1]))
    taken = [os.open(os.devnull, os.O_RDONLY)]
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(taken[0]))
        os.close(taken.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for fd in taken:
            os.close(fd)


async def test_every_sandbox_gets_the_room_of_spares() -> None:
    engine = await started(gpus="simulated")
    other = await engine.create(TaskSpec())
    image = await other.snapshot()
    ways: list[Callable[[], Awaitable[Task]]] = [
        lambda: engine.create(TaskSpec(hostname="other")),
        lambda: engine.create(TaskSpec(image=image)),
        lambda: engine.create(TaskSpec(volumes=(VolumeMount("v", "/v"),))),
        lambda: engine.create(TaskSpec(exit_snapshot=True)),
        lambda: other.create_sidecar(TaskSpec()),
    ]
    for make in ways:
        for number in range(capacity()):
            await engine.prepare(TaskSpec(hostname=f"n{number}"))
        await asyncio.gather(*engine.factory.pool.tasks)
        with one_descriptor_left():
            task = await make()
        assert engine.factory.pool.tasks == []
        await task.kill()
    await engine.close()


async def test_a_main_process_gets_the_room_of_spares() -> None:
    """The spare that was taken is not enough, so the others end as well."""
    engine = await started()
    await engine.prepare(TaskSpec(hostname="other"))
    await engine.prepare(TaskSpec())
    await asyncio.gather(*engine.factory.pool.tasks)
    with one_descriptor_left(), pytest.raises(StoreFull):
        await engine.create(TaskSpec(main=ProcessSpec(("true",))))
    assert engine.factory.pool.tasks == []
    await engine.close()


async def test_two_at_a_time_wait_for_the_room_of_the_same_spare() -> None:
    engine = await started()
    await engine.prepare(TaskSpec())
    pool = engine.factory.pool
    await asyncio.gather(*pool.tasks)
    assert all(await asyncio.gather(pool.clear(), pool.clear()))
    assert not await pool.clear()
    await engine.close()


async def test_an_exit_snapshot_is_left_by_nothing_but_what_was_asked_for() -> None:
    engine = await started()
    spec = TaskSpec(exit_snapshot=True)
    await engine.prepare(spec)
    for _ in range(3):
        task = await engine.create(spec)
        await task.kill()
        await engine.forget(await task.exit_snapshot())
    assert engine.factory.pool.tasks == []
    assert engine.factory.store.layers == 0
    await engine.close()


async def test_without_a_pool_none_is_made() -> None:
    engine = await started(pool=False)
    for _ in range(3):
        await engine.create(TaskSpec())
    await engine.prepare(TaskSpec())
    await asyncio.sleep(5 * spares._IDLE_AFTER)
    assert engine.factory.pool.tasks == []
    await engine.close()
