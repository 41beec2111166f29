"""Snapshots of all files: how they are taken and forgotten, and what they leave alone."""

import asyncio
import os
from signal import SIGKILL

from ... import (
    Capability,
    DirectorySnapshot,
    EndCause,
    Engine,
    ProcessSpec,
    Snapshot,
    SupportsForget,
    TaskEnded,
    TaskSpec,
    UnknownImage,
    WatchKind,
)
from ..calls import forget, snapshot
from ..files.watch import watching
from ..lab import a_lab
from ..running_shell import RunningShell
from ..support import content, equal, line, raises, sh, soon, start

NEEDS = frozenset({Capability.SNAPSHOT})


async def check_a_copy_has_the_files(engine: Engine) -> None:
    """A task created from a snapshot has the files of the task it was taken of."""
    async with a_lab(engine) as lab:
        source = await lab.task()
        await sh(source, "echo one > /srv/f; echo two > /tmp/f; mkdir /root/d; : > /opt/f")
        copy = await lab.copy(await lab.snapshot(source))
        equal(
            await sh(copy, "cat /srv/f /tmp/f; ls -d /root/d /opt/f"),
            await sh(source, "cat /srv/f /tmp/f; ls -d /root/d /opt/f"),
            "the files",
        )


async def check_a_snapshot_without_changes(engine: Engine) -> None:
    """A snapshot can be taken of a task in which nothing was done."""
    async with a_lab(engine) as lab:
        copy = await lab.copy(await lab.snapshot(await lab.task()))
        equal(await sh(copy, "echo fine"), b"fine\n", "a copy of an untouched task")


async def check_snapshots_do_not_change(engine: Engine) -> None:
    """Later changes in the task and in copies do not change a snapshot."""
    async with a_lab(engine) as lab:
        source = await lab.task()
        await sh(source, "cd /srv; echo one > kept; echo one > removed; echo one > changed")
        image = await lab.snapshot(source)
        change = "cd /srv; rm removed; echo two > changed; : > new; chmod 600 kept"
        await sh(source, change)
        await sh(await lab.copy(image), change)
        seen = await sh(await lab.copy(image), "cd /srv; echo *; cat *")
        equal(seen, b"changed kept removed\none\none\none\n", "a copy after changes elsewhere")


async def check_the_task_continues(engine: Engine) -> None:
    """After a snapshot the task has all its files, and can change them as before."""
    async with a_lab(engine) as lab:
        source = await lab.task()
        await sh(source, "mkdir /srv/d; cd /srv/d; echo one > a; echo one > b; ln -s a l")
        for turn in range(3):
            await lab.snapshot(source)
            await sh(source, f"cd /srv/d; echo {turn} >> a; rm b; echo {turn} > b; mv l m; mv m l")
        equal(
            await sh(source, "cd /srv/d; echo *; cat a b l"),
            b"a b l\none\n0\n1\n2\n2\none\n0\n1\n2\n",
            "the files of the task",
        )


async def check_branches_are_independent(engine: Engine) -> None:
    """Tasks created from one snapshot do not see what the others do."""
    async with a_lab(engine) as lab:
        source = await lab.task()
        await sh(source, "echo one > /srv/f")
        image = await lab.snapshot(source)
        left, right = await lab.copy(image), await lab.copy(image)
        await sh(left, "echo left >> /srv/f; : > /srv/left")
        await sh(right, "rm /srv/f; : > /srv/right")
        equal(await sh(left, "cd /srv; echo *; cat f"), b"f left\none\nleft\n", "one branch")
        equal(await sh(right, "cd /srv; echo *"), b"right\n", "the other branch")
        equal(await sh(source, "cd /srv; echo *; cat f"), b"f\none\n", "where they come from")


async def check_snapshots_of_copies(engine: Engine) -> None:
    """Copies can be snapshotted again, any number of times; each snapshot stays what it was."""
    async with a_lab(engine) as lab:
        images = [await lab.snapshot(await lab.task())]
        for turn in range(12):
            task = await lab.copy(images[-1])
            await sh(
                task, f"cd /srv; echo {turn} > {turn}; echo {turn} >> all; rm -f -- {turn - 2}"
            )
            images.append(await lab.snapshot(task))
        for turn in (11, 5, 0):
            task = await lab.copy(images[turn + 1])
            names = sorted(str(n) for n in range(max(0, turn - 1), turn + 1))
            equal(
                (await sh(task, "cd /srv; echo *")).split(),
                [*(n.encode() for n in names), b"all"],
                f"the names of generation {turn}",
            )
            lines = [int(line) for line in (await sh(task, "cat /srv/all")).split()]
            equal(lines, list(range(turn + 1)), f"what generation {turn} has from those before")


async def check_end_ends_the_task(engine: Engine) -> None:
    """With `end` the task ends as if it had been killed, and the snapshot is the same."""
    async with a_lab(engine) as lab:
        source = await lab.task()
        await sh(source, "mkdir /srv/d; echo one > /srv/d/f; ln /srv/d/f /srv/g")
        process = await start(source, "/bin/sh", "-c", "echo ready; cat")
        await line(process)
        waiting = asyncio.ensure_future(source.wait())
        image = await lab.snapshot(source, end=True)
        end = await soon(waiting, "wait() of a task that a snapshot ended")
        equal((end.cause, source.poll()), (EndCause.KILLED, end), "how the task ended")
        equal((await soon(process.wait(), "wait()")).signal, SIGKILL, "its process")
        equal(await soon(content(process.stdout), "output"), b"ready\n", "its output")
        await raises(TaskEnded, source.exec(ProcessSpec(("true",))), "exec after the end")
        for _ in range(2):
            copy = await lab.copy(image)
            equal(await sh(copy, "cat /srv/d/f /srv/g; : > /srv/h"), b"one\none\n", "a copy")


async def check_no_snapshot_after_the_end(engine: Engine) -> None:
    """No snapshot can be taken of an ended task: `TaskEnded`, however it ended."""
    async with a_lab(engine) as lab:
        exited = await lab.task(TaskSpec(main=ProcessSpec(("true",))))
        await soon(exited.wait(), "wait()")
        killed, taken = await lab.task(), await lab.task()
        await soon(killed.kill(), "kill()")
        await lab.snapshot(taken, end=True)
        for task in (exited, killed, taken):
            await raises(TaskEnded, snapshot(task), "snapshot() after the end")
            await raises(TaskEnded, snapshot(task, end=True), "snapshot(end=True) after the end")


async def check_a_running_process_continues(engine: Engine) -> None:
    """A running process continues as if nothing had happened; the snapshot has its files."""
    async with a_lab(engine) as lab:
        source = await lab.task()
        shell = await RunningShell.start(source)
        await shell.says("x=1; cd /srv; mkdir here; cd here; echo one > f")
        writer = await start(source, "/bin/sh", "-c", "exec > /srv/log; echo one; cat")
        pid = await shell.says("echo $$")
        for turn, word in enumerate(("two", "three")):
            image = await lab.snapshot(source)
            await writer.write_stdin(f"{word}\n".encode())
            seen = await shell.says(f"x=$((x + 1)); echo $x; echo $$; pwd; echo {word} >> f")
            equal(seen, b"%d\n%s/srv/here\n" % (turn + 2, pid), "what a running shell knows")
        await writer.close_stdin()
        await soon(writer.wait(), "the end of a writer")
        both = b"one\ntwo\nthree\n"
        equal(await sh(source, "cat /srv/log /srv/here/f"), both + both, "the files of the task")
        copy = await lab.copy(image)
        equal(await sh(copy, "cat /srv/here/f"), b"one\ntwo\n", "the last snapshot")


async def check_a_snapshot_is_of_one_moment(engine: Engine) -> None:
    """While processes write, a snapshot holds all files as they are at one moment."""
    script = "cd /srv; for i in $(seq 100000); do echo $i >> a; echo $i >> b; echo $i; done"
    async with a_lab(engine) as lab:
        source = await lab.task()
        writer = await start(source, "/bin/sh", "-c", script)
        await line(writer)
        for _ in range(3):
            copy = await lab.copy(await lab.snapshot(source))
            lengths = []
            for name in ("/srv/a", "/srv/b"):
                lines = (await sh(copy, f"cat {name}")).split(b"\n")
                whole = [b"%d" % number for number in range(1, len(lines))]
                equal(lines, [*whole, b""], f"the lines of {name}")
                lengths.append(len(whole))
            assert lengths[0] - lengths[1] in (0, 1), f"a and b have {lengths} lines"
            assert writer.poll() is None, f"the writer ended: {writer.poll()}"


async def check_what_is_open_stays_open(engine: Engine) -> None:
    """A file that is open stays that very file, also one that was removed."""
    async with a_lab(engine) as lab:
        source = await lab.task()
        stays = await source.files.open("/srv/stays", os.O_RDWR | os.O_CREAT)
        gone = await source.files.open("/srv/gone", os.O_RDWR | os.O_CREAT)
        for file in (stays, gone):
            await file.pwrite(0, b"one")
        await source.files.remove("/srv/gone")
        image = await lab.snapshot(source)
        for file in (stays, gone):
            await soon(file.pwrite(3, b"two"), "pwrite() after a snapshot")
            equal(await soon(file.pread(0, 10), "pread()"), b"onetwo", "what is open")
        equal(await sh(source, "cd /srv; echo *; cat stays"), b"stays\nonetwo", "the files")
        copy = await lab.copy(image)
        equal(await sh(copy, "cd /srv; echo *; cat stays"), b"stays\none", "the snapshot")


async def check_a_watch_continues(engine: Engine) -> None:
    """A watch that began before a snapshot reports changes after it."""
    async with a_lab(engine) as lab:
        source = await lab.task()
        await sh(source, "mkdir /srv/d; : > /srv/d/old")
        async with watching(source, "/srv/d") as watcher:
            await lab.snapshot(source)
            await sh(source, ": > /srv/d/new; echo x >> /srv/d/old")
            await watcher.until(WatchKind.CREATE, "/srv/d/new")
            await watcher.until(WatchKind.MODIFY, "/srv/d/old")


async def check_twice_at_once(engine: Engine) -> None:
    """Any number of snapshots of one task can be asked for at once; all are good."""
    async with a_lab(engine) as lab:
        source = await lab.task()
        await sh(source, "mkdir /srv/d; echo one > /srv/d/f; rm -f /etc/hosts")
        images = await asyncio.gather(*(lab.snapshot(source) for _ in range(4)))
        equal(len(set(images)), 4, "how many different snapshots")
        for image in images:
            copy = await lab.copy(image)
            equal(
                await sh(copy, "cat /srv/d/f; ls /etc/hosts || echo gone"),
                b"one\ngone\n",
                str(image),
            )


async def check_other_calls_meanwhile(engine: Engine) -> None:
    """Commands and file operations asked for during a snapshot are done."""
    async with a_lab(engine) as lab:
        source = await lab.task()
        await sh(source, "mkdir /srv/crowd; cd /srv/crowd; touch $(seq 3000)")

        async def use(number: int) -> None:
            await source.files.mkdir(f"/srv/{number}")
            equal(
                await sh(source, f"echo {number} > /srv/{number}/f; cat /srv/{number}/f"),
                b"%d\n" % number,
                "a command during a snapshot",
            )

        calls = [use(number) for number in range(8)]
        await asyncio.gather(lab.snapshot(source), *calls[:4], lab.snapshot(source), *calls[4:])
        equal(len(await sh(source, "cat /srv/?/f")), 16, "what the commands wrote")


async def check_kill_during_a_snapshot(engine: Engine) -> None:
    """A snapshot that races with the end gives one or raises `TaskEnded`; both end."""
    async with a_lab(engine) as lab:
        for turns in (0, 1, 2, 5, 20):
            source = await lab.task()
            await sh(source, "mkdir /srv/d; echo one > /srv/d/f")
            call = asyncio.ensure_future(snapshot(source))
            for _ in range(turns):
                await asyncio.sleep(0)
            await soon(source.kill(), "kill() during a snapshot")
            try:
                image = lab.forget_later(await soon(call, "a snapshot of a killed task"))
            except TaskEnded:
                continue
            equal(await sh(await lab.copy(image), "cat /srv/d/f"), b"one\n", "the snapshot")


async def check_a_cancelled_snapshot_harms_nothing(engine: Engine) -> None:
    """Giving up on a snapshot, at whatever moment, leaves the task as it was."""
    async with a_lab(engine) as lab:
        source = await lab.task()
        await sh(source, "mkdir /srv/d; echo one > /srv/d/f")
        shell = await RunningShell.start(source)
        for turns in range(0, 30, 3):
            call = asyncio.ensure_future(snapshot(source))
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait([call])
            if not call.cancelled() and call.exception() is None:
                lab.forget_later(call.result())
        equal(await shell.says("cat /srv/d/f"), b"one\n", "a process that continued")
        copy = await lab.copy(await lab.snapshot(source))
        equal(await sh(copy, "cat /srv/d/f"), b"one\n", "a snapshot made afterwards")


async def check_only_files_are_in_a_snapshot(engine: Engine) -> None:
    """Environment, host name, working directory and processes are no part of a snapshot."""
    async with a_lab(engine) as lab:
        source = await lab.task(
            TaskSpec(
                main=ProcessSpec(("cat",)), env={"MINE": "1"}, workdir="/srv/w", hostname="one"
            )
        )
        image = await lab.snapshot(source)
        copy = await lab.task(TaskSpec(image=image, env={"YOURS": "2"}, hostname="other"))
        assert copy.main is None, f"a copy without a main process has one: {copy.main}"
        equal(await sh(copy, "echo $MINE$YOURS; uname -n; ls /srv"), b"2\nother\nw\n", "a copy")
        fresh = await lab.task()
        equal(await sh(copy, "pwd"), await sh(fresh, "pwd"), "the working directory of a copy")


async def check_a_copy_has_a_main_process(engine: Engine) -> None:
    """A task created from a snapshot has its own main process and working directory."""
    async with a_lab(engine) as lab:
        source = await lab.task()
        await sh(
            source, "printf '#!/bin/sh\\npwd; cat /srv/f; exit 7\\n' > /srv/s; chmod 755 /srv/s"
        )
        await sh(source, "echo one > /srv/f")
        image = await lab.snapshot(source)
        main = ProcessSpec(("/srv/s",))
        copy = await lab.task(TaskSpec(main=main, image=image, workdir="/srv/made/for/it"))
        end = await soon(copy.wait(), "a task whose main process is from a snapshot")
        assert copy.main is not None, "a task with a main process has no main"
        equal(end.status and end.status.code, 7, "how it ended")
        seen = await soon(content(copy.main.stdout), "output")
        equal(seen, b"/srv/made/for/it\none\n", "what it printed")


async def check_snapshots_outlive_their_task(engine: Engine) -> None:
    """A snapshot is good after the end of the task it was made of, and of all of its copies."""
    async with a_lab(engine) as lab:
        source = await lab.task()
        await sh(source, "echo one > /srv/f")
        image = await lab.snapshot(source)
        await soon(source.kill(), "kill()")
        for _ in range(3):
            copy = await lab.copy(image)
            equal(await sh(copy, "cat /srv/f; rm /srv/f"), b"one\n", "a copy")
            await soon(copy.kill(), "kill()")


async def check_unknown_snapshots(engine: Engine) -> None:
    """There is no task of a snapshot that there never was: `UnknownImage`, which names it."""
    for name in ("no-such-image", "", "../host", "host\0", "im-123"):
        call = engine.create(TaskSpec(image=Snapshot(name)))
        error = await raises(UnknownImage, call, f"create of {name!r}")
        assert name.strip("\0") in str(error), f"the message does not name {name!r}: {error}"


async def check_forgotten_snapshots(engine: Engine) -> None:
    """There is no further task of a forgotten snapshot: `UnknownImage`."""
    async with a_lab(engine) as lab:
        image = await lab.snapshot(await lab.task())
        await soon(forget(engine, image), "forget()")
        await raises(
            UnknownImage, engine.create(TaskSpec(image=image)), "create of a forgotten snapshot"
        )


async def check_forgetting_what_is_not_known(engine: Engine) -> None:
    """Forgetting a snapshot again, or one that there never was, is fine; `Host` stays."""
    async with a_lab(engine) as lab:
        image = await lab.snapshot(await lab.task())
        unknown = (Snapshot("no-such-image"), Snapshot(""), Snapshot("host"))
        for each in (image, image, DirectorySnapshot(image.name), *unknown):
            await soon(forget(engine, each), f"forget({each!r})")
        equal(await sh(await lab.task(), "echo fine"), b"fine\n", "a task afterwards")


async def check_what_depends_on_a_forgotten_snapshot_stays(engine: Engine) -> None:
    """Tasks and snapshots made from a forgotten snapshot lose no files."""
    async with a_lab(engine) as lab:
        source = await lab.task()
        await sh(source, "mkdir /srv/d; echo one > /srv/d/f")
        below = await lab.snapshot(source)
        middle = await lab.copy(below)
        await sh(middle, "echo two > /srv/d/g")
        above = await lab.snapshot(middle)
        dependent = await lab.copy(below)
        await soon(forget(engine, below), "forget()")
        await soon(source.kill(), "kill()")
        equal(await sh(dependent, "cat /srv/d/*"), b"one\n", "a task of a forgotten snapshot")
        equal(await sh(middle, "cat /srv/d/*"), b"one\ntwo\n", "one that was snapshotted itself")
        equal(await sh(await lab.copy(above), "cat /srv/d/*"), b"one\ntwo\n", "a snapshot on top")
        again = await lab.copy(await lab.snapshot(dependent))
        equal(await sh(again, "cat /srv/d/*"), b"one\n", "a snapshot made afterwards")


async def check_what_frees_storage(engine: Engine) -> None:
    """Forgetting a snapshot frees storage, at the latest when nothing depends on it."""
    async with a_lab(engine) as lab:
        source = await lab.task()
        await sh(source, "echo one > /srv/f")
        image = await lab.snapshot(source)
        copy = await lab.copy(image)
        store = SupportsForget.of(engine)
        assert isinstance(store.frees(image), bool), f"frees() gave {store.frees(image)!r}"
        for task in (copy, source):
            await soon(task.kill(), "kill()")
        equal(store.frees(image), True, "frees() of a snapshot that nothing depends on")


async def check_forget_while_creating(engine: Engine) -> None:
    """A `create` that races with `forget` gives a whole task or raises `UnknownImage`."""
    async with a_lab(engine) as lab:
        source = await lab.task()
        await sh(source, "echo one > /srv/f")
        for turns in (0, 1, 3, 10):
            image = await lab.snapshot(source)
            call = asyncio.ensure_future(lab.copy(image))
            for _ in range(turns):
                await asyncio.sleep(0)
            await soon(forget(engine, image), "forget() during create()")
            try:
                copy = await soon(call, "create() of a snapshot that is forgotten meanwhile")
            except UnknownImage:
                continue
            equal(await sh(copy, "cat /srv/f"), b"one\n", "the task")


async def check_many_files(engine: Engine) -> None:
    """A snapshot holds thousands of files, and copies of it can remove them."""
    async with a_lab(engine) as lab:
        source = await lab.task()
        await sh(
            source,
            "for d in $(seq 10); do mkdir -p /srv/t/$d; cd /srv/t/$d; touch $(seq 400); done",
        )
        copy = await lab.copy(await lab.snapshot(source))
        equal(
            await sh(copy, "ls /srv/t/* | wc -l"), await sh(source, "ls /srv/t/* | wc -l"), "names"
        )
        await sh(copy, "cd /srv/t; rm -r 1 2 3; rm 4/*; mkdir 1; touch 1/new")
        again = await lab.copy(await lab.snapshot(copy))
        equal(
            await sh(again, "cd /srv/t; echo *; echo 1/* 4/*; ls 5 | wc -l"),
            b"1 10 4 5 6 7 8 9\n1/new 4/*\n400\n",
            "what is left in the next generation",
        )


async def check_ten_copies_at_once(engine: Engine) -> None:
    """Tasks of one snapshot can be created, used and ended all at the same time."""
    async with a_lab(engine) as lab:
        source = await lab.task()
        await sh(source, "mkdir /srv/d; echo one > /srv/d/f")
        image = await lab.snapshot(source)

        async def one(number: int) -> None:
            copy = await lab.copy(image)
            await sh(copy, f"echo {number} >> /srv/d/f; : > /srv/d/{number}")
            seen = await sh(copy, "cd /srv/d; echo *; cat f")
            equal(seen, b"%d f\none\n%d\n" % (number, number), f"copy {number}")
            await soon(copy.kill(), "kill()")

        await soon(asyncio.gather(*(one(number) for number in range(10))), "ten copies")
