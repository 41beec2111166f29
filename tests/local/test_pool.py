"""Sandboxes that are made ahead show in nothing but time."""

from __future__ import annotations

import pytest

from pytest_sandbox.engine import (
    Limits,
    ProcessSpec,
    Snapshot,
    SpawnFailed,
    TaskSpec,
)
from pytest_sandbox.local import LocalEngine
from pytest_sandbox.local.engine.pool import capacity

from .conftest import content, exists, processes, shell

pytestmark = pytest.mark.asyncio


def prepared(engine: LocalEngine) -> int:
    return len(engine.factory.pool.tasks)


async def started() -> LocalEngine:
    engine = LocalEngine()
    await engine.start()
    return engine


async def test_a_prepared_sandbox_is_used_for_what_fits_and_is_like_any_other() -> None:
    engine = await started()
    look = "pwd; uname -n; echo $A $$; ls -A /root /work; set -- /proc/[0-9]*; echo $#"
    spec = TaskSpec(hostname="ahead", workdir="/work", env={"A": "b"})
    plain = await engine.create(spec)
    await engine.prepare(TaskSpec(hostname="ahead", workdir="/work", name="other"))
    claimed = await engine.create(spec)
    assert prepared(engine) == 0
    assert await shell(claimed, look) == await shell(plain, look)
    await engine.close()


async def test_a_prepared_sandbox_gets_the_main_process_that_is_asked_for() -> None:
    engine = await started()
    await engine.prepare(TaskSpec())
    main = ProcessSpec(("/bin/sh", "-c", "echo $A; exit 3"), env={"A": "b"})
    task = await engine.create(TaskSpec(main=main))
    assert prepared(engine) == 0
    assert task.main is not None
    assert await content(task.main.stdout) == "b\n"
    assert (await task.wait()).status is not None
    await engine.prepare(TaskSpec())
    with pytest.raises(SpawnFailed):
        await engine.create(TaskSpec(main=ProcessSpec(("no-such-command",))))
    await engine.close()


@pytest.mark.parametrize(
    "other",
    [TaskSpec(hostname="x"), TaskSpec(workdir="/x"), TaskSpec(limits=Limits(processes=5))],
    ids=["hostname", "workdir", "limits"],
)
async def test_a_prepared_sandbox_that_does_not_fit_is_not_used(other: TaskSpec) -> None:
    engine = await started()
    await engine.prepare(TaskSpec())
    await engine.create(other)
    assert prepared(engine) == 1
    await engine.close()


async def test_no_more_are_prepared_than_there_may_be_and_the_newest_stay() -> None:
    engine = await started()
    for number in range(3 * capacity()):
        await engine.prepare(TaskSpec(hostname=f"n{number}"))
    assert prepared(engine) == capacity()
    await engine.create(TaskSpec(hostname=f"n{3 * capacity() - 1}"))
    assert prepared(engine) == capacity() - 1
    await engine.create(TaskSpec(hostname="n0"))
    assert prepared(engine) == capacity() - 1
    await engine.close()


async def test_forgetting_an_image_ends_what_was_prepared_of_it() -> None:
    engine = await started()
    task = await engine.create(TaskSpec())
    await shell(task, "echo x >/root/f")
    image = await task.snapshot(end=True)
    await engine.prepare(TaskSpec(image=image))
    copy = await engine.create(TaskSpec(image=image))
    assert prepared(engine) == 0
    assert (await shell(copy, "cat /root/f")).out == "x\n"
    await copy.kill()
    await engine.prepare(TaskSpec(image=image))
    await engine.prepare(TaskSpec(image=Snapshot("no-such-image")))  # a hint that comes to nothing
    await engine.forget(image)
    await engine.factory.pool.ended()
    assert engine.factory.store.layers == 0
    await engine.close()


async def test_when_a_prepared_sandbox_died_another_one_is_made() -> None:
    engine = await started()
    await engine.prepare(TaskSpec())
    (one,) = engine.factory.pool.tasks
    task = await one
    await task.kill()
    other = await engine.create(TaskSpec())
    assert (await shell(other, "echo hi")).out == "hi\n"
    await engine.close()


async def test_prepared_sandboxes_end_with_the_engine_or_unclaimed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pytest_sandbox.local.engine.pool._CLAIM_TIMEOUT", 0.01)
    engine = await started()
    await engine.prepare(TaskSpec())
    (one,) = engine.factory.pool.tasks
    await (await one).wait()
    assert prepared(engine) == 0
    monkeypatch.undo()
    await engine.prepare(TaskSpec())
    zygote = engine.factory.zygote.pid
    await engine.close()
    assert not exists(f"/proc/{zygote}")
    assert zygote not in processes("pytest-sandbox")
