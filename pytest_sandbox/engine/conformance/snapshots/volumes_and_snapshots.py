"""Volumes and snapshots of files together."""

from ... import Capability, Engine, TaskSpec, VolumeMount
from ..calls import mount, unmount
from ..lab import a_lab
from ..support import equal, sh
from .volumes import a_task_with

NEEDS = frozenset({Capability.VOLUME, Capability.SNAPSHOT})


async def check_a_volume_is_no_part_of_a_snapshot(engine: Engine) -> None:
    """A snapshot has the directory below a volume; a copy can mount it again, with what is new."""
    async with a_lab(engine) as lab:
        name = lab.volume()
        task = await a_task_with(lab, name)
        await sh(task, "echo one > /vol/f; echo one > /srv/f")
        for _ in range(2):
            image = await lab.snapshot(task)
            bare = await lab.copy(image)
            equal(await sh(bare, "cat /srv/f; echo /vol/*"), b"one\n/vol/*\n", "a copy without")
            equal(await sh(task, "cat /vol/f"), b"one\n", "the snapshotted task")
        volumes = (VolumeMount(name, "/vol"),)
        copy = await lab.task(TaskSpec(image=image, volumes=volumes))
        await sh(task, "echo two > /vol/f")
        equal(await sh(copy, "cat /vol/f"), b"two\n", "a copy with the volume")


async def check_a_part_of_a_volume_stays_through_a_snapshot(engine: Engine) -> None:
    """A mounted part of a volume is neither in a snapshot, nor lost by it."""
    async with a_lab(engine) as lab:
        name = lab.volume()
        volumes = (VolumeMount(name, "/vol", sub_path="a/b"),)
        task = await lab.task(TaskSpec(volumes=volumes))
        await sh(task, "echo one > /vol/f")
        image = await lab.snapshot(task)
        equal(await sh(await lab.copy(image), "echo /vol/*"), b"/vol/*\n", "a copy without")
        await sh(task, "echo two > /vol/f")
        copy = await lab.task(TaskSpec(image=image, volumes=volumes))
        equal(await sh(copy, "cat /vol/f"), b"two\n", "a copy with the part")


async def check_a_directory_of_a_volume_can_be_snapshotted(engine: Engine) -> None:
    """A snapshot can be taken of a directory in a volume, and mounted in one."""
    async with a_lab(engine) as lab:
        task = await a_task_with(lab, lab.volume())
        await sh(task, "mkdir /vol/d /vol/m; echo one > /vol/d/f")
        image = await lab.directory(task, "/vol/d")
        await sh(task, "echo two > /vol/d/f")
        await mount(task, "/vol/m", image)
        equal(await sh(task, "cat /vol/m/f; echo three > /vol/m/f"), b"one\n", "the mount")
        await unmount(task, "/vol/m")
        equal(await sh(task, "echo /vol/m/*"), b"/vol/m/*\n", "the volume below it")
