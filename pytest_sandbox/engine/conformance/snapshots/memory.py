"""Snapshots of files and processes: copies resume where the task was."""

import asyncio
import os
from dataclasses import replace

from ... import (
    Capability,
    EndCause,
    Engine,
    InvalidSpec,
    MemorySnapshot,
    ProcessSpec,
    Task,
    TaskEnded,
    TaskSpec,
    UnknownImage,
)
from ..calls import forget, snapshot_memory
from ..lab import Lab, a_lab
from ..running_shell import RunningShell
from ..support import content, equal, raises, sh, soon

NEEDS = frozenset({Capability.MEMORY_SNAPSHOT})

#: Runs each line of its input, and counts the lines.
COUNTER = ProcessSpec(
    ("/bin/sh", "-c", 'n=0; while read -r l; do n=$((n + 1)); eval "$l"; echo $n; done')
)
FREEZABLE = TaskSpec(main=COUNTER, freezable=True)


class Counter:
    """What there is to do with the main process of a task, a `COUNTER`."""

    def __init__(self, task: Task) -> None:
        assert task.main is not None, "a task with a main process has no main"
        self.main = task.main
        self._seen = 0

    async def next(self, line: str = ":") -> int:
        """What it counts up to for a line."""
        await soon(self.main.write_stdin(f"{line}\n".encode()), f"{line!r} to a counter")
        data = b""
        while not data.endswith(b"\n"):
            more = await soon(self.main.stdout.read(self._seen), "what a counter says")
            assert more, f"the counter ended after saying {data!r}"
            data += more
            self._seen += len(more)
        return int(data)


async def frozen(lab: Lab, task: Task) -> MemorySnapshot:
    """A snapshot of files and processes."""
    return lab.forget_later(await soon(snapshot_memory(task), "snapshot_memory()"))


async def resumed(lab: Lab, image: MemorySnapshot) -> Task:
    """A task that resumes from a snapshot."""
    return await lab.task(TaskSpec(resume=image, freezable=True))


async def check_a_copy_resumes(engine: Engine) -> None:
    """The main process of a copy resumes with everything in its memory."""
    async with a_lab(engine) as lab:
        source = await lab.task(FREEZABLE)
        counter = Counter(source)
        equal([await counter.next() for _ in range(3)], [1, 2, 3], "the counter")
        copy = Counter(await resumed(lab, await frozen(lab, source)))
        equal([await copy.next() for _ in range(2)], [4, 5], "its copy")


async def check_the_source_continues(engine: Engine) -> None:
    """The task continues after a snapshot; it and its copies do not affect each other."""
    async with a_lab(engine) as lab:
        source = await lab.task(FREEZABLE)
        counter = Counter(source)
        await counter.next("x=source; echo one > /srv/f")
        image = await frozen(lab, source)
        copies = [Counter(await resumed(lab, image)) for _ in range(3)]
        equal([await counter.next() for _ in range(3)], [2, 3, 4], "the source")
        for copy in copies:
            equal([await copy.next(), await copy.next("rm /srv/f")], [2, 3], "a copy")
        equal(await sh(source, "cat /srv/f"), b"one\n", "a file that every copy removed")
        equal(await counter.next(), 5, "the source, in the end")


async def check_files_are_of_the_same_moment(engine: Engine) -> None:
    """Files and processes of a copy are of the same moment."""
    async with a_lab(engine) as lab:
        source = await lab.task(FREEZABLE)
        await sh(source, "mkdir /srv/d; echo one > /srv/d/f; rm -f /etc/hosts")
        image = await frozen(lab, source)
        await sh(source, "echo two > /srv/d/f; : > /etc/hosts")
        copy = await resumed(lab, image)
        seen = await sh(copy, "cat /srv/d/f; test -e /etc/hosts || echo none")
        equal(seen, b"one\nnone\n", "the files of a copy")


async def check_a_process_finds_what_it_had(engine: Engine) -> None:
    """Directory, environment, variables and open files of a process are as they were."""
    async with a_lab(engine) as lab:
        spec = replace(FREEZABLE, env={"A": "1"}, workdir="/srv/w")
        source = await lab.task(spec)
        await Counter(source).next("cd /srv; x=5; exec 3>>/srv/log; echo one >&3")
        copy = await resumed(lab, await frozen(lab, source))
        await Counter(copy).next("echo $x $A >&3; pwd >&3")
        equal(await sh(copy, "cat /srv/log"), b"one\n5 1\n/srv\n", "the open file of a copy")
        equal(await sh(source, "cat /srv/log"), b"one\n", "that of the source")


async def check_main_is_main(engine: Engine) -> None:
    """A copy lives and dies with its main process, whose output begins anew."""
    async with a_lab(engine) as lab:
        source = await lab.task(FREEZABLE)
        await Counter(source).next()
        image = await frozen(lab, source)
        copy = await resumed(lab, image)
        counter = Counter(copy)
        await counter.next()
        await soon(counter.main.write_stdin(b"exit 7\n"), "write_stdin()")
        end = await soon(copy.wait(), "a copy whose main process ended")
        equal((end.cause, end.status and end.status.code), (EndCause.EXITED, 7), "how it ended")
        equal(await soon(content(counter.main.stdout), "output"), b"2\n", "its output")
        other = await resumed(lab, image)
        main = Counter(other).main
        await soon(main.close_stdin(), "close_stdin()")
        equal((await soon(other.wait(), "wait()")).cause, EndCause.EXITED, "the end of input")


async def check_other_processes_resume_too(engine: Engine) -> None:
    """Processes in the background resume in a copy."""
    async with a_lab(engine) as lab:
        source = await lab.task(FREEZABLE)
        await Counter(source).next("(until test -e /srv/go; do sleep 0.01; done; : > /srv/did) &")
        for task in (await resumed(lab, await frozen(lab, source)), source):
            equal(await sh(task, "ls /srv"), b"", "what is there before")
            await sh(task, ": > /srv/go; until test -e /srv/did; do sleep 0.01; done")


async def check_copies_of_copies(engine: Engine) -> None:
    """A snapshot can be taken of a copy."""
    async with a_lab(engine) as lab:
        task = await lab.task(FREEZABLE)
        for number in range(1, 5):
            equal(await Counter(task).next(f"echo {number} >> /srv/f"), number, "the counter")
            task = await resumed(lab, await frozen(lab, task))
        equal(await sh(task, "cat /srv/f"), b"1\n2\n3\n4\n", "the files")


async def check_a_copy_is_used_like_any_task(engine: Engine) -> None:
    """Commands run in a copy, files can be changed, and it can be killed."""
    async with a_lab(engine) as lab:
        source = await lab.task(FREEZABLE)
        counter = Counter(source)
        await counter.next()
        copy = await resumed(lab, await frozen(lab, source))
        shell = await RunningShell.start(copy)
        equal(await shell.says("echo fine"), b"fine\n", "a command in a copy")
        file = await copy.files.open("/srv/f", os.O_RDWR | os.O_CREAT)
        await file.pwrite(0, b"x\n")
        equal(await shell.says("cat /srv/f"), b"x\n", "a file")
        await soon(copy.kill(), "kill()")
        equal((await soon(copy.wait(), "wait()")).cause, EndCause.KILLED, "how it ended")
        equal(await counter.next(), 2, "the source")


async def check_without_main(engine: Engine) -> None:
    """A snapshot of a task without a main process gives copies without one."""
    async with a_lab(engine) as lab:
        source = await lab.task(TaskSpec(freezable=True))
        await sh(source, "echo one > /srv/f")
        copy = await resumed(lab, await frozen(lab, source))
        assert copy.main is None, f"the main of a task that had none: {copy.main}"
        equal(await sh(copy, "cat /srv/f"), b"one\n", "the files")
        assert copy.poll() is None, f"the copy ended: {copy.poll()}"


async def check_several_copies_at_once(engine: Engine) -> None:
    """Any number of copies can be made at the same time."""
    async with a_lab(engine) as lab:
        source = await lab.task(FREEZABLE)
        await Counter(source).next()
        image = await frozen(lab, source)
        copies = await asyncio.gather(*(resumed(lab, image) for _ in range(6)))
        numbers = await asyncio.gather(*(Counter(copy).next() for copy in copies))
        equal(numbers, [2] * 6, "what six copies count up to")


async def check_the_snapshot_outlives_the_task(engine: Engine) -> None:
    """A snapshot of processes is good after the end of its task, and until it is forgotten."""
    async with a_lab(engine) as lab:
        source = await lab.task(FREEZABLE)
        await Counter(source).next()
        image = await frozen(lab, source)
        await soon(source.kill(), "kill()")
        copy = await resumed(lab, image)
        await soon(forget(engine, image), "forget()")
        equal(await Counter(copy).next(), 2, "a copy of a forgotten snapshot")
        for spec in (TaskSpec(resume=image), TaskSpec(resume=MemorySnapshot("no-such-image"))):
            error = await raises(UnknownImage, engine.create(spec), f"create({spec})")
            assert str(spec.resume) in str(error), f"the snapshot is not named: {error}"


async def check_what_cannot_be_snapshotted(engine: Engine) -> None:
    """A task that is not `freezable` is refused: `InvalidSpec`; an ended one: `TaskEnded`."""
    async with a_lab(engine) as lab:
        plain, ended = await lab.task(), await lab.task(FREEZABLE)
        await raises(InvalidSpec, snapshot_memory(plain), "snapshot_memory() of any task")
        equal(await sh(plain, "echo fine"), b"fine\n", "the task afterwards")
        await soon(ended.kill(), "kill()")
        await raises(TaskEnded, snapshot_memory(ended), "snapshot_memory() after the end")


async def check_snapshots_of_files_are_something_else(engine: Engine) -> None:
    """A task cannot resume from a snapshot of files: `UnknownImage`, which names it."""
    async with a_lab(engine) as lab:
        image = MemorySnapshot((await lab.snapshot(await lab.task())).name)
        error = await raises(UnknownImage, engine.create(TaskSpec(resume=image)), "create")
        assert image.name in str(error), f"the message does not name {image}: {error}"
