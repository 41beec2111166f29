"""What is kept of sandboxes in memory, beyond what the contract asks of every engine."""

import pytest

from pytest_sandbox.engine import (
    EndCause,
    ProcessSpec,
    TaskEnd,
    TaskEnded,
    TaskSpec,
    UnknownImage,
)
from pytest_sandbox.fakes import FakeEngine, MemoryTask

from .conftest import content

pytestmark = pytest.mark.asyncio


async def test_a_sandbox_starts_from_a_snapshot_and_the_two_go_their_own_ways(
    engine: FakeEngine, task: MemoryTask
) -> None:
    task.view.write("/srv/app/config", "one")
    image = await task.snapshot()
    task.view.write("/srv/app/config", "two")
    spec = TaskSpec(main=ProcessSpec(("cat", "/srv/app/config")), image=image)
    for _ in range(2):
        fork = await engine.create(spec)
        assert fork.main is not None
        assert await content(fork.main.stdout) == b"one"
    idle = await engine.create(TaskSpec(image=image))
    idle.view.remove("/srv/app/config")
    assert (idle.view.exists("/srv/app/config"), task.view.read_text("/srv/app/config")) == (
        False,
        "two",
    )


async def test_what_neither_of_two_sandboxes_changes_they_share(
    engine: FakeEngine, task: MemoryTask
) -> None:
    fork = await engine.create(TaskSpec(image=await task.snapshot()))
    assert fork.kernel.fs.lookup("/etc/passwd") is task.kernel.fs.lookup("/etc/passwd")


async def test_a_snapshot_can_be_the_end_of_a_sandbox(engine: FakeEngine, task: MemoryTask) -> None:
    task.view.write("/srv/last", "word")
    image = await task.snapshot(end=True)
    assert task.poll() == TaskEnd(EndCause.KILLED)
    with pytest.raises(TaskEnded):
        await task.snapshot()
    after = await engine.create(TaskSpec(image=image))
    assert after.view.read_text("/srv/last") == "word"


async def test_an_image_that_was_forgotten_is_unknown_and_what_stands_on_it_stays(
    engine: FakeEngine, task: MemoryTask
) -> None:
    task.view.write("/srv/kept", "still")
    image = await task.snapshot()
    standing = await engine.create(TaskSpec(image=image))
    await engine.forget(image)
    await engine.forget(image)
    with pytest.raises(UnknownImage, match=f"no image '{image}', or it was forgotten"):
        await engine.create(TaskSpec(image=image))
    assert standing.view.read_text("/srv/kept") == "still"
    second = await engine.create(TaskSpec(image=await standing.snapshot()))
    assert second.view.read_text("/srv/kept") == "still"
