"""Snapshots of directories, and mounting them."""

import asyncio
from collections.abc import Awaitable, Callable
from errno import EBUSY, EINVAL, ELOOP, ENOENT, ENOTDIR

from ... import (
    Capability,
    DirectorySnapshot,
    Engine,
    Host,
    InvalidSpec,
    Snapshot,
    Task,
    TaskEnded,
    TaskSpec,
    UnknownImage,
)
from ..calls import forget, mount, snapshot_directory, unmount
from ..files.trees import make_tree
from ..lab import Lab, a_lab
from ..running_shell import RunningShell
from ..support import equal, fails, raises, sh, soon
from ..tree_state import assert_same, tree_state

NEEDS = frozenset({Capability.SNAPSHOT})


async def a_directory(
    lab: Lab, script: str = "echo one > f; mkdir d; echo two > d/g"
) -> DirectorySnapshot:
    """The snapshot of a directory that a script fills."""
    task = await lab.task()
    await sh(task, f"mkdir /srv/t; cd /srv/t; {script}")
    return await lab.directory(task, "/srv/t")


def calls(
    task: Task, path: str, image: DirectorySnapshot
) -> dict[str, Callable[[], Awaitable[object]]]:
    """Every call that a directory is needed for, by name."""
    return {
        "snapshot_directory": lambda: snapshot_directory(task, path),
        "mount": lambda: mount(task, path, image),
        "mount of nothing": lambda: mount(task, path, None),
    }


async def check_a_mount_shows_the_directory(engine: Engine) -> None:
    """A mounted snapshot is the directory as it was, with all that is in it."""
    async with a_lab(engine) as lab:
        source, target = await lab.task(), await lab.task()
        await make_tree(source)
        # With a single id, nothing can belong to others: the owner stays.
        await sh(source, "chown 3:4 /srv/t 2>/dev/null; chmod 1750 /srv/t")
        expected = await tree_state(source, "/srv/t")
        image = await lab.directory(source, "/srv/t")
        await sh(source, "cd /srv/t; rm -r a empty; echo changed > .hidden; chmod 755 .")
        await sh(target, "mkdir /srv/t; : > /srv/t/under")
        for task in (target, source):
            await soon(mount(task, "/srv/t", image), "mount()")
            assert_same(await tree_state(task, "/srv/t"), expected, "what is mounted")


async def check_mounts_are_writable_and_private(engine: Engine) -> None:
    """What is written to a mount stays there: no other mount and no snapshot changes."""
    async with a_lab(engine) as lab:
        image = await a_directory(lab)
        one, other = await lab.task(), await lab.task()
        for task, path in ((one, "/mnt/a"), (one, "/mnt/b"), (other, "/mnt/a")):
            await task.files.mkdir(path, parents=True)
            await soon(mount(task, path, image), "mount()")
        await sh(one, "cd /mnt/a; echo more >> f; rm -r d; mkdir d; : > d/new; mkdir -p e/e")
        equal(await sh(one, "cd /mnt/a; echo * d/*; cat f"), b"d e f d/new\none\nmore\n", "it")
        for task, path in ((one, "/mnt/b"), (other, "/mnt/a")):
            seen = await sh(task, f"cd {path}; echo * d/*; cat f")
            equal(seen, b"d f d/g\none\n", "another mount of the snapshot")


async def check_a_mount_hides_what_is_there(engine: Engine) -> None:
    """A mount hides what the directory holds; unmounting shows it again, as it was."""
    async with a_lab(engine) as lab:
        image, task = await a_directory(lab), await lab.task()
        await sh(task, "mkdir -p /srv/m/x; echo under > /srv/m/x/f; chmod 700 /srv/m")
        expected = await tree_state(task, "/srv/m")
        await soon(mount(task, "/srv/m", image), "mount()")
        await sh(task, "echo new > /srv/m/new")
        equal(await sh(task, "echo /srv/m/*"), b"/srv/m/d /srv/m/f /srv/m/new\n", "the mount")
        await soon(unmount(task, "/srv/m"), "unmount()")
        assert_same(await tree_state(task, "/srv/m"), expected, "what was there before")


async def check_mounts_are_stacked(engine: Engine) -> None:
    """A mount hides an earlier one; each unmounting undoes the latest."""
    async with a_lab(engine) as lab:
        images = [await a_directory(lab, f"echo {number} > f") for number in range(3)]
        task = await lab.task()
        await sh(task, "mkdir /srv/m; echo none > /srv/m/f")
        for number, image in enumerate(images):
            await soon(mount(task, "/srv/m", image), "mount()")
            equal(await sh(task, "cat /srv/m/f"), b"%d\n" % number, "the latest mount")
        for hidden in (b"1\n", b"0\n", b"none\n"):
            await soon(unmount(task, "/srv/m"), "unmount()")
            equal(await sh(task, "cat /srv/m/f"), hidden, "what the latest mount hid")
        await fails(EINVAL, unmount(task, "/srv/m"), "unmount() once too often")


async def check_an_empty_mount(engine: Engine) -> None:
    """Without a snapshot the mount is an empty directory, to write to."""
    async with a_lab(engine) as lab:
        task = await lab.task()
        await sh(task, "mkdir /srv/m; : > /srv/m/under")
        await soon(mount(task, "/srv/m", None), "mount() of nothing")
        equal(await task.files.listdir("/srv/m"), [], "an empty mount")
        await sh(task, "cd /srv/m; mkdir d; echo new > d/f")
        equal(await sh(task, "cat /srv/m/d/f"), b"new\n", "what was written there")
        await soon(unmount(task, "/srv/m"), "unmount()")
        equal(await sh(task, "echo /srv/m/*"), b"/srv/m/under\n", "what was there before")


async def check_a_mount_in_a_mount(engine: Engine) -> None:
    """A directory of a mount can be mounted on; it has to be unmounted first."""
    async with a_lab(engine) as lab:
        image, task = await a_directory(lab), await lab.task()
        await sh(task, "mkdir /srv/m")
        await soon(mount(task, "/srv/m", image), "mount()")
        await soon(mount(task, "/srv/m/d", image), "mount() in a mount")
        equal(await sh(task, "cat /srv/m/f /srv/m/d/f /srv/m/d/d/g"), b"one\none\ntwo\n", "both")
        await fails(EBUSY, unmount(task, "/srv/m"), "unmount() of what holds a mount")
        await soon(unmount(task, "/srv/m/d"), "unmount()")
        await soon(unmount(task, "/srv/m"), "unmount()")
        equal(await sh(task, "echo /srv/m/*"), b"/srv/m/*\n", "what was there before")


async def check_paths_of_mounts(engine: Engine) -> None:
    """The path of a mount may lead over links, dots and slashes, like any path."""
    async with a_lab(engine) as lab:
        image, task = await a_directory(lab), await lab.task()
        await sh(task, "mkdir -p /srv/m/real; cd /srv/m; ln -s real link; ln -s /srv up")
        for path in ("/srv/m/link", "/srv/m/up/m/real", "//srv/./m/../m/real/"):
            await soon(mount(task, path, image), f"mount({path!r})")
            equal(await sh(task, "cat /srv/m/real/f"), b"one\n", f"what is mounted at {path!r}")
            await soon(unmount(task, "/srv/m/real"), "unmount()")
        await soon(mount(task, "/srv/m/real", image), "mount()")
        linked = await lab.directory(task, "/srv/m/link")
        await soon(unmount(task, "/srv/m/link"), "unmount() by a link")
        await soon(mount(task, "/srv/m/real", linked), "mount() of a snapshot by a link")
        equal(await sh(task, "cat /srv/m/real/f"), b"one\n", "the snapshot by a link")


async def check_errors_of_paths(engine: Engine) -> None:
    """What is no directory cannot be snapshotted, mounted on or unmounted: the kernel's errno."""
    async with a_lab(engine) as lab:
        image, task = await a_directory(lab), await lab.task()
        await sh(task, "mkdir /srv/m; : > /srv/f; ln -s loop /srv/loop; ln -s missing /srv/broken")
        for number, path in (
            (ENOENT, "/srv/missing"),
            (ENOENT, "/srv/broken"),
            (ENOENT, "/missing/x"),
            (ENOTDIR, "/srv/f"),
            (ENOTDIR, "/srv/f/x"),
            (ELOOP, "/srv/loop"),
            (EINVAL, "srv/m"),
            (EINVAL, ""),
            (EINVAL, "/srv/\0m"),
        ):
            for what, call in calls(task, path, image).items():
                error = await fails(number, call(), f"{what}, {path!r}")
                equal(error.filename, path, f"the path in the error of {what}")
        for number, path in (
            (ENOENT, "/srv/missing"),
            (EINVAL, "/srv/m"),
            (EINVAL, "/srv/f"),
            (EINVAL, "srv/m"),
        ):
            error = await fails(number, unmount(task, path), f"unmount({path!r})")
            equal(error.filename, path, "the path in the error of unmount")


async def check_what_is_not_a_place_for_a_mount(engine: Engine) -> None:
    """Nothing can be mounted where the system itself is: `InvalidSpec`, which names the place."""
    async with a_lab(engine) as lab:
        image, task = await a_directory(lab), await lab.task()
        for path in ("/", "/proc", "/dev", "/srv/.."):
            error = await raises(InvalidSpec, mount(task, path, image), f"mount({path!r})")
            assert path in str(error), f"the message does not name {path!r}: {error}"
        equal(
            await sh(task, "echo fine > /dev/null; cat /etc/passwd | wc -l > /srv/n; echo fine"),
            b"fine\n",
            "the task afterwards",
        )


async def check_unmount_what_was_not_mounted(engine: Engine) -> None:
    """What the engine itself mounted cannot be unmounted: `EINVAL`."""
    async with a_lab(engine) as lab:
        task = await lab.task()
        for path in ("/", "/proc", "/dev", "/usr", "/etc"):
            await fails(EINVAL, unmount(task, path), f"unmount({path!r})")
        equal(await sh(task, "echo fine"), b"fine\n", "the task afterwards")


async def check_snapshots_that_cannot_be_mounted(engine: Engine) -> None:
    """Only snapshots of directories can be mounted, until forgotten: else `UnknownImage`."""
    async with a_lab(engine) as lab:
        task = await lab.task()
        await sh(task, "mkdir /srv/m")
        directory = await lab.directory(task, "/srv/m")
        await soon(forget(engine, directory), "forget()")
        files = DirectorySnapshot((await lab.snapshot(task)).name)
        unknown = DirectorySnapshot("no-such-image"), DirectorySnapshot("host")
        for image in (directory, files, *unknown, DirectorySnapshot("")):
            error = await raises(UnknownImage, mount(task, "/srv/m", image), f"mount of {image!r}")
            assert image.name in str(error), f"the message does not name {image}: {error}"
        await fails(EINVAL, unmount(task, "/srv/m"), "unmount() after all that")


async def check_a_directory_is_no_filesystem(engine: Engine) -> None:
    """No task is created from a snapshot of a directory: `UnknownImage`, which names it."""
    async with a_lab(engine) as lab:
        image = Snapshot((await a_directory(lab)).name)
        error = await raises(UnknownImage, engine.create(TaskSpec(image=image)), "create")
        assert image.name in str(error), f"the message does not name {image}: {error}"


async def check_mounts_outlive_their_snapshot(engine: Engine) -> None:
    """A mount stays after its snapshot was forgotten and the snapshotted task ended."""
    async with a_lab(engine) as lab:
        source, task = await lab.task(), await lab.task()
        await sh(source, "mkdir /srv/t; echo one > /srv/t/f")
        await sh(task, "mkdir /srv/m")
        image = await lab.directory(source, "/srv/t")
        await soon(source.kill(), "kill()")
        await soon(mount(task, "/srv/m", image), "mount()")
        await soon(forget(engine, image), "forget()")
        equal(await sh(task, "cd /srv/m; echo two >> f; cat f"), b"one\ntwo\n", "the mount")


async def check_mounts_are_no_part_of_a_snapshot(engine: Engine) -> None:
    """A snapshot of all files has the directory below a mount; the mount stays in the task."""
    async with a_lab(engine) as lab:
        image, task = await a_directory(lab), await lab.task()
        await sh(task, "mkdir /srv/m /srv/n; echo under > /srv/m/under")
        await soon(mount(task, "/srv/m", image), "mount()")
        await soon(mount(task, "/srv/n", None), "mount()")
        await sh(task, ": > /srv/m/new; : > /srv/n/new")
        for _ in range(2):
            copy = await lab.copy(await lab.snapshot(task))
            seen = await sh(copy, "cd /srv; echo * m/* n/*")
            equal(seen, b"m n m/under n/*\n", "a copy")
            await fails(EINVAL, unmount(copy, "/srv/m"), "unmount() in a copy")
            seen = await sh(task, "cd /srv; echo m/* n/*")
            equal(seen, b"m/d m/f m/new n/new\n", "the snapshotted task")
        await soon(unmount(task, "/srv/m"), "unmount() after snapshots")
        equal(await sh(task, "echo /srv/m/*"), b"/srv/m/under\n", "what was there before")


async def check_what_is_mounted_can_be_snapshotted(engine: Engine) -> None:
    """A snapshot of a directory has what is mounted on it, with what was written there since."""
    async with a_lab(engine) as lab:
        image, task = await a_directory(lab), await lab.task()
        await sh(task, "mkdir /srv/m; echo under > /srv/m/under")
        for turn in range(3):
            await soon(mount(task, "/srv/m", image), "mount()")
            await sh(task, f"cd /srv/m; rm -rf d; mkdir d; echo {turn} > d/{turn}; : > {turn}")
            expected = await tree_state(task, "/srv/m")
            image = await lab.directory(task, "/srv/m")
            assert_same(await tree_state(task, "/srv/m"), expected, "the mount after its snapshot")
        other = await lab.task()
        await sh(other, "mkdir /srv/m")
        await soon(mount(other, "/srv/m", image), "mount()")
        assert_same(await tree_state(other, "/srv/m"), expected, "the last snapshot")


async def check_a_snapshot_of_a_changed_directory(engine: Engine) -> None:
    """A snapshot can be taken of a directory that comes from one and was changed since."""
    async with a_lab(engine) as lab:
        source = await lab.task()
        await sh(
            source, "mkdir -p /srv/t/d /srv/t/e; cd /srv/t; echo one > f; : > d/x; : > e/x; ln f h"
        )
        copy = await lab.copy(await lab.snapshot(source))
        await sh(copy, "cd /srv/t; rm -r d; mkdir d; : > d/y; rm e/x; echo two >> f; mv e g")
        expected = await tree_state(copy, "/srv/t")
        image = await lab.directory(copy, "/srv/t")
        other = await lab.task()
        await sh(other, "mkdir /srv/t")
        await soon(mount(other, "/srv/t", image), "mount()")
        assert_same(await tree_state(other, "/srv/t"), expected, "the snapshot")


async def check_a_mount_that_is_in_use(engine: Engine) -> None:
    """A mount that a process is in cannot be unmounted: `EBUSY`; when it left, it can."""
    async with a_lab(engine) as lab:
        image, task = await a_directory(lab), await lab.task()
        await sh(task, "mkdir /srv/m")
        await soon(mount(task, "/srv/m", image), "mount()")
        shell = await RunningShell.start(task)
        equal(await shell.says("cd /srv/m; cat f"), b"one\n", "a process in a mount")
        error = await fails(EBUSY, unmount(task, "/srv/m"), "unmount() of what is in use")
        equal(error.filename, "/srv/m", "the path in the error")
        equal(await shell.says("cat f; cd /"), b"one\n", "the process, afterwards")
        await soon(unmount(task, "/srv/m"), "unmount()")


async def check_running_processes_see_a_mount(engine: Engine) -> None:
    """Processes that run see what is mounted, at once, and what is unmounted."""
    async with a_lab(engine) as lab:
        image, task = await a_directory(lab), await lab.task()
        await sh(task, "mkdir /srv/m")
        shell = await RunningShell.start(task)
        equal(await shell.says("echo /srv/m/*"), b"/srv/m/*\n", "before")
        await soon(mount(task, "/srv/m", image), "mount()")
        equal(await shell.says("cat /srv/m/f; echo x > /srv/m/x"), b"one\n", "a process")
        equal(await sh(task, "cat /srv/m/x"), b"x\n", "what it wrote")
        await soon(unmount(task, "/srv/m"), "unmount()")
        equal(await shell.says("echo /srv/m/*"), b"/srv/m/*\n", "after")


async def check_a_place_of_a_mount_stays(engine: Engine) -> None:
    """A directory with something mounted on it cannot be removed or renamed: `EBUSY`."""
    async with a_lab(engine) as lab:
        image, task = await a_directory(lab), await lab.task()
        await sh(task, "mkdir -p /srv/m")
        await soon(mount(task, "/srv/m", image), "mount()")
        await fails(EBUSY, task.files.remove("/srv/m", recursive=True), "remove() of a mount")
        equal(await sh(task, "mv /srv/m /srv/n 2>/dev/null || echo no"), b"no\n", "mv of a mount")


async def check_mounts_end_with_the_task(engine: Engine) -> None:
    """After the end nothing can be mounted or snapshotted: `TaskEnded`."""
    async with a_lab(engine) as lab:
        image, task = await a_directory(lab), await lab.task()
        await sh(task, "mkdir /srv/m")
        await soon(mount(task, "/srv/m", image), "mount()")
        await soon(task.kill(), "kill() of a task with a mount")
        await raises(TaskEnded, unmount(task, "/srv/m"), "unmount after the end")
        for what, call in calls(task, "/srv/m", image).items():
            await raises(TaskEnded, call(), f"{what} after the end")


async def check_directories_at_once(engine: Engine) -> None:
    """Snapshots and mounts can be asked for at once, and all of them are made."""
    async with a_lab(engine) as lab:
        task = await lab.task()
        await sh(task, "cd /srv; for i in $(seq 6); do mkdir $i m$i; echo $i > $i/f; done")

        async def one(number: int) -> None:
            image = await lab.directory(task, f"/srv/{number}")
            await soon(mount(task, f"/srv/m{number}", image), "mount()")

        await asyncio.gather(*(one(number) for number in range(1, 7)))
        equal(await sh(task, "cat /srv/m?/f"), b"1\n2\n3\n4\n5\n6\n", "what is mounted")


async def check_a_snapshot_of_all_files_is_mounted(engine: Engine) -> None:
    """Of a snapshot of all files the root is mounted; so it is of the image of a task."""
    async with a_lab(engine) as lab:
        source = await lab.task()
        await sh(source, "echo taken > /srv/a; mkdir /root/own")
        image = await lab.snapshot(source)
        task = await lab.task()
        await sh(task, "mkdir /srv/m /srv/n; echo own > /srv/a")
        await soon(mount(task, "/srv/m", image), "mount() of a snapshot")
        await soon(mount(task, "/srv/n", Host()), "mount() of an image")
        script = "cat /srv/m/srv/a /srv/a; cd /srv; ls -d m/root/own m/usr n/usr"
        seen = b"taken\nown\nm/root/own\nm/usr\nn/usr\n"
        equal(await sh(task, script), seen, "what is mounted")
        await sh(task, "echo x > /srv/m/srv/a; rm -r /srv/m/root/own")
        await soon(unmount(task, "/srv/m"), "unmount() of a snapshot")
        await soon(unmount(task, "/srv/n"), "unmount() of an image")
        equal(await sh(task, "cd /srv/m; echo *; cd ../n; echo *"), b"*\n*\n", "what is left")
        equal(await sh(await lab.copy(image), "cat /srv/a"), b"taken\n", "the snapshot")
