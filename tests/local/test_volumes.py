"""Volumes of local sandboxes, beyond what the contract says of them."""

from pathlib import Path

import pytest

from pytest_sandbox.engine import (
    Host,
    InvalidSpec,
    RootImage,
    Task,
    TaskSpec,
    VolumeMount,
)
from pytest_sandbox.local import LocalEngine, LocalOptions
from pytest_sandbox.local.filesystem.volume_mounts import VolumeStore

from .conftest import needs_root, shell, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1024 * 1024


async def with_volume(
    engine: LocalEngine, name: str, path: str = "/vol", image: RootImage | None = None
) -> Task:
    volumes = (VolumeMount(name, path),)
    return await engine.create(TaskSpec(volumes=volumes, image=image or Host()))


def mounted(engine: LocalEngine) -> int:
    """How many volumes are mounted on the stage of an engine."""
    lines = Path(f"/proc/{engine.factory.zygote.pid}/mountinfo").read_text().splitlines()
    return sum(line.split()[4].startswith("/volumes/") for line in lines)


@needs_root
async def test_a_forgotten_volume_is_unmounted_whatever_its_size(engine: LocalEngine) -> None:
    before = mounted(engine)
    for size in (1, 64):
        task = await with_volume(engine, f"of {size} MiB")
        done = await shell(task, f"head -c {size}M /dev/zero > /vol/f")
        assert done.code == 0, done.err
        assert mounted(engine) == before + 1
        await task.kill()
        await engine.forget_volume(f"of {size} MiB")
        until(lambda: mounted(engine) == before, "the volume is unmounted")


async def test_a_volume_that_no_sandbox_came_to_have_is_nothing_to_free() -> None:
    volumes = VolumeStore(MIB, 100, 0)
    assert volumes.usage(1) == 0
    volumes.unmount(1)  # else the zygote would die of it
    volumes.forget(1)


async def test_a_full_volume_takes_no_more_and_harms_no_other() -> None:
    engine = LocalEngine(LocalOptions(disk=16 * MIB))
    await engine.start()
    task = await engine.create(
        TaskSpec(volumes=(VolumeMount("full", "/full"), VolumeMount("other", "/other")))
    )
    done = await shell(
        task, "head -c 17M /dev/zero > /full/f; echo x > /other/f && echo y > /srv/f"
    )
    assert "No space left on device" in done.err
    assert done.code == 0
    await task.kill()
    await engine.close()


async def test_a_link_where_a_volume_is_to_be_leads_nowhere_else(engine: LocalEngine) -> None:
    """It is followed, but the root that it is followed in is the sandbox's own."""
    hostile = await engine.create(TaskSpec())
    await shell(hostile, "ln -s /etc /vol; ln -s ../../../../volumes /up; mkdir /volumes")
    image = await hostile.snapshot(end=True)
    for link, target in (("/vol", "/etc"), ("/up", "/volumes")):
        task = await with_volume(engine, f"behind {link}", link, image=image)
        done = await shell(task, f"echo mine > {link}/f; ls {target}")
        assert (done.code, done.out) == (0, "f\n")
        await task.kill()
    other = await engine.create(TaskSpec())
    assert (await shell(other, "test -s /etc/passwd && test ! -e /etc/f")).code == 0
    await other.kill()


@pytest.mark.parametrize(
    "path", ["/proc/x", "/proc", "/dev/shm", "/sys", "/etc/passwd", "/etc/passwd/x"]
)
async def test_places_that_are_not_for_volumes_are_refused(engine: LocalEngine, path: str) -> None:
    with pytest.raises(InvalidSpec, match=f"volume 'v' cannot be mounted at '{path}'"):
        await with_volume(engine, "v", path)


async def test_volumes_below_each_other_are_mounted_in_order(engine: LocalEngine) -> None:
    mounts = (VolumeMount("inner", "/a/b/c"), VolumeMount("outer", "/a"))
    task = await engine.create(TaskSpec(volumes=mounts))
    assert (await shell(task, "echo 1 > /a/b/c/f; echo 2 > /a/f; find /a -type f | sort")).out == (
        "/a/b/c/f\n/a/f\n"
    )
    await task.kill()


async def test_programs_gain_nothing_by_files_of_a_volume(engine: LocalEngine) -> None:
    read = VolumeMount("flags", "/read", read_only=True)
    task = await engine.create(TaskSpec(volumes=(VolumeMount("flags", "/vol"), read)))
    options = (
        await shell(task, "grep -E ' /(vol|read) ' /proc/self/mountinfo | cut -d' ' -f6")
    ).out
    assert [{"nosuid", "nodev"} <= set(line.split(",")) for line in options.split()] == [True, True]
    assert (await shell(task, "mount -o remount,rw /read 2>/dev/null; touch /read/f")).code != 0
    await task.kill()
