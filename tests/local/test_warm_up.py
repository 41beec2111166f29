"""What PID 1 of a sandbox that was made ahead does before its first command shows in nothing."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox.engine import TaskEnded, TaskSpec
from pytest_sandbox.local import LocalEngine
from pytest_sandbox.local.agent.warm_up import warm_up
from pytest_sandbox.local.engine.task import LocalTask

from .conftest import shell

if TYPE_CHECKING:
    from pytest_sandbox.local.engine.pool import Pool


async def _first_command(task: LocalTask) -> tuple[object, ...]:
    """What a program sees of what ran before it, and what is told of the sandbox."""
    script = "echo $$ $PPID; set -- /proc/[0-9]*; echo $*; pwd; umask; ls -A /dev /root /tmp"
    done = await shell(task, script)
    usage = await task.usage()
    log = await task.network_log()
    return done, usage.bytes_written, usage.peak_processes, usage.oom_kills, log


async def _made_ahead(pool: Pool) -> None:
    await asyncio.gather(*pool.tasks)
    await asyncio.sleep(0)  # the pool hears of it in the same turn as we


@pytest.mark.asyncio
async def test_a_sandbox_is_warmed_up_while_it_waits_and_is_like_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    warmed: list[LocalTask] = []
    original = LocalTask.warm_up

    def noted(task: LocalTask) -> None:
        warmed.append(task)
        original(task)

    monkeypatch.setattr(LocalTask, "warm_up", noted)
    engine = LocalEngine()
    await engine.start()
    plain = await engine.create(TaskSpec())
    await engine.prepare(TaskSpec())
    waited_for = await engine.create(TaskSpec())
    assert warmed == []
    await engine.prepare(TaskSpec())
    await _made_ahead(engine.factory.pool)
    claimed = await engine.create(TaskSpec())
    assert warmed == [claimed]
    expected = await _first_command(plain)
    assert await _first_command(claimed) == expected
    assert await _first_command(waited_for) == expected
    await engine.close()


@pytest.mark.asyncio(loop_scope="module")
async def test_a_warm_up_makes_no_process_and_writes_nothing(engine: LocalEngine) -> None:
    task = await engine.create(TaskSpec())
    await task.files.stat("/")  # answered once PID 1 is complete
    before = await task.usage()
    for _ in range(3):
        task.warm_up()
    await task.files.stat("/")  # answered after them
    after = await task.usage()
    assert after.peak_processes == before.peak_processes
    assert after.bytes_written == before.bytes_written
    assert (await shell(task, "echo $$")).out == "2\n"
    await task.kill()
    task.warm_up()  # nothing comes of it
    with pytest.raises(TaskEnded):
        await shell(task, "true")


def test_it_gets_as_far_as_the_start_of_a_process_and_no_further(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused: list[BaseException] = []
    original = os.posix_spawn

    def noted(*args: Any, **keywords: Any) -> int:
        try:
            return original(*args, **keywords)
        except BaseException as error:
            refused.append(error)
            raise

    monkeypatch.chdir("/")  # where PID 1 is before and after
    monkeypatch.setattr(os, "posix_spawn", noted)
    warm_up()
    assert [type(error) for error in refused] == [OverflowError]
