"""Checks of `prepare`, a hint about the next tasks, which only affects speed."""

import asyncio
from contextlib import suppress

from ... import (
    Capability,
    Engine,
    EngineError,
    Gpus,
    Limits,
    MemorySnapshot,
    ProcessSpec,
    Snapshot,
    TaskSpec,
    UnknownImage,
    VolumeMount,
)
from ..calls import forget, prepare
from ..check import isolated, requires
from ..lab import a_lab
from ..support import content, equal, raises, sh, soon

#: What shows what a task is.
SHOW = "pwd; uname -n; echo $A$B; echo /srv/*; ls /tmp"


@isolated("a task has the name and the paths of the machine")
async def check_prepared_tasks_are_like_any_other(engine: Engine) -> None:
    """A task that was prepared for is what its own specification says."""
    async with a_lab(engine) as lab:
        plain = TaskSpec(hostname="one")
        expected = await sh(await lab.task(plain), SHOW)
        await soon(prepare(engine, plain), "prepare()")
        for _ in range(3):
            task = await lab.task(plain)
            equal(await sh(task, f"{SHOW}; : > /srv/left; : > /tmp/left"), expected, "a task")


@isolated("a task has the name and the paths of the machine")
async def check_main_and_environment_may_be_others(engine: Engine) -> None:
    """A task has its own main process and environment, not those that were prepared for."""
    async with a_lab(engine) as lab:
        main = ProcessSpec(("/bin/sh", "-c", ": > /srv/left; cat"))
        hint = TaskSpec(main=main, env={"A": "prepared"}, workdir="/srv/w", name="one")
        await soon(prepare(engine, hint), "prepare()")
        show = ProcessSpec(("/bin/sh", "-c", SHOW))
        task = await lab.task(TaskSpec(main=show, env={"B": "mine"}, workdir="/srv/w"))
        assert task.main is not None, "a task with a main process has no main"
        seen = await soon(content(task.main.stdout), "output")
        equal(seen, b"/srv/w\nsandbox\nmine\n/srv/w\n", "the main process")
        other = await lab.task(TaskSpec(hostname="other"))
        equal((await sh(other, SHOW)).splitlines()[1:4], [b"other", b"", b"/srv/*"], "another one")


@isolated("a task has the name and the paths of the machine")
async def check_tasks_of_one_kind_one_after_the_other(engine: Engine) -> None:
    """An engine may make a task of a kind that was asked for before ahead; it shows in nothing."""
    async with a_lab(engine) as lab:
        for number in range(5):
            secret = {"B": "secret"} if number == 2 else {}
            env = {"A": str(number), **secret}
            task = await lab.task(TaskSpec(env=env, workdir="/srv/w", name=f"n{number}"))
            text = "".join(env.values())
            seen = await sh(task, f"{SHOW}; : > /srv/w/left; : > /srv/left; : > /tmp/left")
            equal(seen, f"/srv/w\nsandbox\n{text}\n/srv/w\n".encode(), f"task {number}")
            await soon(task.kill(), "kill()")


@isolated("a task has the name and the paths of the machine")
async def check_any_number_of_hints(engine: Engine) -> None:
    """Hints may be given again, at once, and never be followed."""
    hints = [TaskSpec(hostname=f"h{number}") for number in range(20)]
    hints += [TaskSpec()] * 20 + [TaskSpec(image=Snapshot("no-such-image"))]
    async with a_lab(engine) as lab:
        await soon(asyncio.gather(*(prepare(engine, hint) for hint in hints)), "41 prepare()s")
        for hint in (TaskSpec(), hints[7]):
            equal(
                await sh(await lab.task(hint), "uname -n"), hint.hostname.encode() + b"\n", "a task"
            )


async def check_hints_for_nonsense(engine: Engine) -> None:
    """A hint for what cannot be is refused or ignored, and harms nothing."""
    nonsense = (
        TaskSpec(main=ProcessSpec(())),
        TaskSpec(env={"A=B": "c"}),
        TaskSpec(workdir="relative"),
        TaskSpec(hostname=""),
        TaskSpec(hostname="a\0b"),
        TaskSpec(limits=Limits(cpus=float("nan"))),
        TaskSpec(limits=Limits(cpus=float("inf"))),
        TaskSpec(limits=Limits(memory=-1)),
        TaskSpec(limits=Limits(processes=0)),
        TaskSpec(gpus=Gpus(count=0)),
        TaskSpec(volumes=(VolumeMount("volume", "relative"),)),
        TaskSpec(resume=MemorySnapshot("no-such-image")),
        TaskSpec(image=Snapshot("host\0")),
    )
    async with a_lab(engine) as lab:
        for hint in nonsense:
            with suppress(EngineError):
                await soon(prepare(engine, hint), f"prepare({hint})")
            await raises(EngineError, engine.create(hint), f"create({hint})")
        for hint in (TaskSpec(limits=Limits(memory=2**80)), TaskSpec(limits=Limits(cpus=1e-9))):
            with suppress(EngineError):
                await soon(prepare(engine, hint), f"prepare({hint})")
                await lab.task(hint)
        equal(await sh(await lab.task(), "echo fine"), b"fine\n", "a task afterwards")


@requires(Capability.SNAPSHOT)
async def check_prepared_copies(engine: Engine) -> None:
    """Copies that were prepared for are like any other, and each one's own."""
    async with a_lab(engine) as lab:
        source = await lab.task()
        await sh(source, "echo one > /srv/f")
        image = await lab.snapshot(source)
        await soon(prepare(engine, TaskSpec(image=image)), "prepare()")
        for _ in range(4):
            copy = await lab.copy(image)
            equal(await sh(copy, "cat /srv/f; echo two > /srv/f"), b"one\n", "a copy")


@requires(Capability.SNAPSHOT)
async def check_forgetting_what_was_prepared(engine: Engine) -> None:
    """No task is created from a forgotten snapshot, though one was prepared for."""
    async with a_lab(engine) as lab:
        image = await lab.snapshot(await lab.task())
        await soon(prepare(engine, TaskSpec(image=image)), "prepare()")
        await soon(forget(engine, image), "forget()")
        spec = TaskSpec(image=image)
        await raises(UnknownImage, engine.create(spec), "create of a forgotten snapshot")
        await soon(prepare(engine, spec), "prepare() for a forgotten snapshot")
