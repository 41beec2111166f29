"""Checks of volumes, which outlive tasks and are shared by them. Each check makes its own."""

import asyncio
from errno import EROFS

from ... import Capability, Engine, InvalidSpec, Task, TaskSpec, VolumeMount
from ..calls import forget_volume
from ..lab import Lab, a_lab
from ..support import equal, fails, raises, sh, soon

NEEDS = frozenset({Capability.VOLUME})


async def a_task_with(
    lab: Lab, volume: str, path: str = "/vol", *, read_only: bool = False
) -> Task:
    """A task that has a volume."""
    return await lab.task(TaskSpec(volumes=(VolumeMount(volume, path, read_only),)))


async def check_a_new_volume_is_empty(engine: Engine) -> None:
    """A volume is made when it is first mounted; the path is made too, and both can be written."""
    async with a_lab(engine) as lab:
        task = await a_task_with(lab, lab.volume(), "/made/for/it")
        equal(await task.files.listdir("/made/for/it"), [], "a new volume")
        await sh(task, "cd /made/for/it; mkdir d; echo one > d/f; ln -s d/f l; ln d/f h")
        equal(await sh(task, "cd /made/for/it; cat l h"), b"one\none\n", "what was written")


async def check_a_volume_outlives_the_task(engine: Engine) -> None:
    """What was written to a volume is there in a later task, wherever that mounts it."""
    async with a_lab(engine) as lab:
        name = lab.volume()
        task = await a_task_with(lab, name)
        await sh(task, "cd /vol; mkdir d; echo one > d/f; chmod 700 d; chown 3:4 d/f; ln -s d l")
        before = [await task.files.stat(f"/vol/{path}") for path in ("d", "d/f", "l")]
        await soon(task.kill(), "kill()")
        later = await a_task_with(lab, name, "/srv/v")
        equal(await sh(later, "cat /srv/v/l/f"), b"one\n", "what is in the volume")
        for old in before:
            new = await later.files.stat(old.path.replace("/vol", "/srv/v"))
            for field in ("kind", "mode", "uid", "gid", "mtime_ns", "symlink_target"):
                equal(getattr(new, field), getattr(old, field), f"{field} of {old.path}")


async def check_tasks_share_a_volume(engine: Engine) -> None:
    """Tasks that have a volume at once see what the others write, as soon as it is written."""
    async with a_lab(engine) as lab:
        name = lab.volume()
        one, other = await a_task_with(lab, name), await a_task_with(lab, name, "/mnt/v")
        for turn in range(5):
            await sh(one, f"echo {turn} >> /vol/f")
            equal(await sh(other, "tail -n 1 /mnt/v/f"), b"%d\n" % turn, "the other task")
            await sh(other, "echo back >> /mnt/v/f")
        equal(await sh(one, "wc -l < /vol/f"), b"10\n", "lines of both")
        await soon(one.kill(), "kill()")
        equal(await sh(other, "wc -l < /mnt/v/f"), b"10\n", "after the end of one")


async def check_volumes_are_apart(engine: Engine) -> None:
    """Volumes of different names have nothing in common, in one task or several."""
    async with a_lab(engine) as lab:
        first, second = lab.volume(), lab.volume()
        both = (VolumeMount(first, "/a"), VolumeMount(second, "/b"))
        task = await lab.task(TaskSpec(volumes=both))
        await sh(task, "echo one > /a/f")
        equal(await sh(task, "echo /b/*"), b"/b/*\n", "another volume of the task")
        equal(await sh(await a_task_with(lab, second), "echo /vol/*"), b"/vol/*\n", "another task")
        equal(await sh(await lab.task(), "test -e /a || echo none"), b"none\n", "one without")


async def check_a_volume_at_two_paths(engine: Engine) -> None:
    """One volume can be mounted at two paths; it is the same at both."""
    async with a_lab(engine) as lab:
        name = lab.volume()
        mounts = (VolumeMount(name, "/a"), VolumeMount(name, "/b/c", read_only=True))
        task = await lab.task(TaskSpec(volumes=mounts))
        equal(await sh(task, "echo one > /a/f; cat /b/c/f"), b"one\n", "the other path")


async def check_volumes_that_are_only_read(engine: Engine) -> None:
    """With `read_only` nothing can be changed in a volume: `EROFS`; others can change it."""
    async with a_lab(engine) as lab:
        name = lab.volume()
        writer = await a_task_with(lab, name)
        await sh(writer, "echo one > /vol/f")
        reader = await a_task_with(lab, name, read_only=True)
        await fails(EROFS, reader.files.mkdir("/vol/d"), "mkdir() in a volume to read")
        await fails(EROFS, reader.files.remove("/vol/f"), "remove() in a volume to read")
        for script in ("echo two > /vol/f", "chmod 600 /vol/f", "mv /vol/f /vol/g"):
            script = f"({script}) 2>/dev/null && echo changed; cat /vol/f"
            equal(await sh(reader, script), b"one\n", script)
        await sh(writer, "echo two > /vol/f")
        equal(await sh(reader, "cat /vol/f"), b"two\n", "what another task wrote")


async def check_a_volume_hides_what_is_there(engine: Engine) -> None:
    """A volume hides the directory it is mounted on, which is not changed."""
    async with a_lab(engine) as lab:
        task = await a_task_with(lab, lab.volume(), "/etc")
        equal(await sh(task, "echo /etc/*; : > /etc/new"), b"/etc/*\n", "a volume at /etc")
        assert await sh(await lab.task(), "echo /etc/*") != b"/etc/*\n", "another task lost /etc"


async def check_a_volume_is_the_working_directory(engine: Engine) -> None:
    """The working directory can be in a volume."""
    async with a_lab(engine) as lab:
        volumes = (VolumeMount(lab.volume(), "/vol"),)
        task = await lab.task(TaskSpec(volumes=volumes, workdir="/vol/w"))
        equal(
            await sh(task, "pwd; : > f; ls /vol /vol/w"), b"/vol/w\n/vol:\nw\n\n/vol/w:\nf\n", "it"
        )


async def check_names_of_volumes_lead_nowhere(engine: Engine) -> None:
    """Whatever the name of a volume, it is that volume alone, or refused with `InvalidSpec`."""
    async with a_lab(engine) as lab:
        tag = lab.volume()
        names = (
            f"{tag}/a",
            f"{tag}/../b",
            f"../{tag}",
            f"{tag}\n",
            f"{tag} ",
            tag * 20,
            f"{tag}\xe9",
        )
        for number, name in enumerate(names):
            try:
                task = await a_task_with(lab, name)
            except InvalidSpec:
                continue
            equal(await sh(task, "echo /vol/*"), b"/vol/*\n", f"a new volume {name!r}")
            await sh(task, f"echo {number} > /vol/f")
            later = await a_task_with(lab, name)
            equal(await sh(later, "cat /vol/f"), b"%d\n" % number, f"the volume {name!r}")
        for name in ("", "..", ".", "/", "a\0b"):
            try:
                task = await a_task_with(lab, name)
            except InvalidSpec:
                continue
            seen = await sh(
                task, "for n in etc usr proc run; do test -e /vol/$n && echo $n; done; true"
            )
            equal(seen, b"", f"what of the machine is in the volume {name!r}")


async def check_a_part_of_a_volume(engine: Engine) -> None:
    """With `sub_path` a task sees one directory of the volume, which is made if need be."""
    async with a_lab(engine) as lab:
        name = lab.volume()
        part = await lab.task(TaskSpec(volumes=(VolumeMount(name, "/vol", sub_path="a/b"),)))
        whole = await a_task_with(lab, name)
        await sh(part, "echo one > /vol/f; mkdir /vol/d; echo two > /vol/../beside")
        equal(await sh(whole, "cd /vol; echo *; cat a/b/f"), b"a\none\n", "all of it")
        equal(await sh(part, "cd /vol/d; cd ../..; pwd"), b"/\n", "what is above the part")
        reader = await lab.task(
            TaskSpec(volumes=(VolumeMount(name, "/vol", read_only=True, sub_path="a"),))
        )
        await fails(EROFS, reader.files.mkdir("/vol/d"), "mkdir() in a part to read")
        equal(await sh(reader, "cat /vol/b/f"), b"one\n", "a part to read")
        await sh(whole, "cd /vol; mv a/b c; echo two > c/f")
        equal(await sh(part, "cat /vol/f"), b"two\n", "a part that was moved")
        await sh(whole, "rm -r /vol/c")
        script = "ls -A /vol; (: > /vol/f) 2> /dev/null || echo gone"
        equal(await sh(part, script), b"gone\n", "a part that was removed")


async def check_a_part_of_a_volume_is_no_link(engine: Engine) -> None:
    """A `sub_path` that leads through a link, or to a file, is refused with `InvalidSpec`."""
    async with a_lab(engine) as lab:
        name = lab.volume()
        task = await a_task_with(lab, name)
        await sh(task, "cd /vol; mkdir d; ln -s d l; ln -s / root; ln -s /etc etc; echo > file")
        for path in ("l", "root", "root/etc", "etc", "d/../l", "file", "file/x", "l/x", "..", "/d"):
            mount = VolumeMount(name, "/part", sub_path=path)
            await raises(InvalidSpec, engine.create(TaskSpec(volumes=(mount,))), f"part {path!r}")
        equal(await sh(task, "cd /vol; echo * d/*"), b"d etc file l root d/*\n", "the volume")


async def check_impossible_places(engine: Engine) -> None:
    """A path that a volume cannot be mounted at is refused with `InvalidSpec`."""
    for path in ("", "vol", "/", "/a/../b", "/a//b", "/a/", "/a\0b"):
        spec = TaskSpec(volumes=(VolumeMount("volume", path),))
        await raises(InvalidSpec, engine.create(spec), f"create with a volume at {path!r}")
    twice = TaskSpec(volumes=(VolumeMount("one", "/a"), VolumeMount("other", "/a")))
    await raises(InvalidSpec, engine.create(twice), "create with two volumes at one path")


async def check_first_mounts_at_once(engine: Engine) -> None:
    """Tasks that mount a new volume at the same time have the same one."""
    async with a_lab(engine) as lab:
        name = lab.volume()
        tasks = await asyncio.gather(*(a_task_with(lab, name) for _ in range(8)))
        for number, task in enumerate(tasks):
            await sh(task, f"echo {number} >> /vol/f")
        equal(await sh(tasks[0], "wc -l < /vol/f"), b"8\n", "lines of all")


async def check_forgetting_a_volume(engine: Engine) -> None:
    """A forgotten volume stays where it is mounted; under its name there is a new one."""
    async with a_lab(engine) as lab:
        name = lab.volume()
        task = await a_task_with(lab, name)
        await sh(task, "echo one > /vol/f")
        for forgotten in (name, name, lab.volume(), ""):
            await soon(forget_volume(engine, forgotten), f"forget_volume({forgotten!r})")
        later = await a_task_with(lab, name)
        equal(await sh(later, "echo /vol/*"), b"/vol/*\n", "the new volume")
        await sh(later, "echo two > /vol/g")
        equal(await sh(task, "cd /vol; echo *; cat f"), b"f\none\n", "the old one")
