"""Directories that are kept and mounted; the kernel is asked, not the engine."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox.engine import InvalidSpec, ProcessSpec, Task, TaskSpec

from .conftest import needs_root, shell

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_sandbox.local import LocalEngine

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Unmounts while the directories above change places, as a program that was woken can do it.
EXCHANGE = """
import os, sys
from pytest_sandbox.local.kernel import mounts, namespaces
from pytest_sandbox.local.zygote import directories
os.chdir(sys.argv[1])
namespaces.unshare(namespaces.CLONE_NEWNS)
mounts.mount("", "/", flags=mounts.MS_REC | mounts.MS_PRIVATE)
for name, source in (("mine", directories.IMAGE_SOURCE), ("kernel", "proc")):
    os.makedirs(f"{name}/sys")
    mounts.mount(source, f"{name}/sys", "tmpfs")
read_mounts = directories.read_mounts
def read_and_exchange(proc):
    found = read_mounts(proc)
    os.rename(f"{sys.argv[1]}/mine", f"{sys.argv[1]}/away")
    os.rename(f"{sys.argv[1]}/kernel", f"{sys.argv[1]}/mine")
    return found
directories.read_mounts = read_and_exchange
namespaces.enter = lambda *_: None
directories.unmount_folder(-1, f"{sys.argv[1]}/mine/sys")
print(os.path.ismount(f"{sys.argv[1]}/mine/sys"), os.path.ismount(f"{sys.argv[1]}/away/sys"))
"""


async def out(task: Task, script: str) -> str:
    done = await shell(task, script)
    assert (done.code, done.err) == (0, ""), done
    return done.out


async def test_mounts_survive_snapshots_of_an_idle_sandbox_and_are_not_in_them(
    engine: LocalEngine,
) -> None:
    task = await engine.create(TaskSpec())
    await out(task, "mkdir -p /srv/from '/srv/to \\a'; echo one >/srv/from/f")
    image = await task.snapshot_directory("/srv/from")
    for path in ("/srv/to \\a", "/usr/src"):
        await task.mount(path, image)
    await out(task, "echo two >'/srv/to \\a/g'; echo three >/usr/src/g")

    kept = await task.snapshot()

    assert await out(task, "cat '/srv/to \\a'/* /usr/src/*") == "one\ntwo\none\nthree\n"
    await out(task, "echo more >>'/srv/to \\a/g'")
    copy = await engine.create(TaskSpec(image=kept))
    look = "ls -A '/srv/to \\a'; test -e /usr/src/g || echo none"
    assert await out(copy, look) == "none\n"
    await task.unmount("/usr/src")
    assert await out(task, "test -e /usr/src/g || echo none") == "none\n"
    for name in (image, kept):
        await engine.forget(name)
    await task.kill()
    await copy.kill()


async def test_mounts_over_mounts_come_off_in_order_also_after_a_snapshot(
    engine: LocalEngine,
) -> None:
    task = await engine.create(TaskSpec())
    await out(task, "mkdir /srv/d; echo below >/srv/d/f")
    await task.mount("/srv/d", None)
    await out(task, "echo first >/srv/d/f")
    await task.mount("/srv/d", None)
    await out(task, "echo second >/srv/d/f")
    kept = await task.snapshot()
    assert await out(task, "cat /srv/d/f") == "second\n"
    await task.unmount("/srv/d")
    assert await out(task, "cat /srv/d/f") == "first\n"
    await task.unmount("/srv/d")
    assert await out(task, "cat /srv/d/f") == "below\n"
    with pytest.raises(OSError, match="no image is mounted there") as caught:
        await task.unmount("/srv/d")
    assert caught.value.errno == errno.EINVAL
    await engine.forget(kept)
    await task.kill()


@pytest.mark.parametrize("path", ["/proc", "/proc/sys", "/proc/1", "/dev", "/dev/shm", "/sys", "/"])
async def test_what_is_the_kernels_cannot_be_covered_or_uncovered(
    engine: LocalEngine, path: str
) -> None:
    task = await engine.create(TaskSpec())
    await out(task, f"ln -s {path} /srv/link")
    for way in (path, "/srv/link"):
        with pytest.raises(InvalidSpec):
            await task.mount(way, None)
        with pytest.raises(OSError, match="no image is mounted there") as caught:
            await task.unmount(way)
        assert caught.value.errno == errno.EINVAL
    assert "read-only" in (await shell(task, "echo 1 >/proc/sys/kernel/panic")).err.lower()
    await task.kill()


@needs_root
async def test_a_directory_that_moves_meanwhile_does_not_uncover_what_is_the_kernels(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", EXCHANGE, str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipe = asyncio.subprocess.PIPE
    done = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, env=env)
    assert await done.communicate() == (b"True False\n", b"")


async def test_a_link_to_the_outside_leads_nowhere(engine: LocalEngine) -> None:
    """Paths are looked up inside, whatever links are there."""
    task = await engine.create(TaskSpec())
    await out(task, "ln -s /../../../../../../opt /srv/out; mkdir /srv/d; ln -s / /srv/d/root")
    for path in ("/srv/out/../tmp/../layers", "/layers", "/box", "/skeleton", "/proc/self/root"):
        with pytest.raises(FileNotFoundError):
            await task.snapshot_directory(path)
    with pytest.raises(PermissionError):
        await task.snapshot_directory("/proc/1/root")
    image = await task.snapshot_directory("/srv/d/root/srv/d")
    await task.mount("/srv", image)
    assert await out(task, "readlink /srv/root") == "/\n"
    await engine.forget(image)
    await task.kill()


async def test_a_directory_in_use_is_not_unmounted(engine: LocalEngine) -> None:
    task = await engine.create(TaskSpec())
    await out(task, "mkdir /srv/d")
    await task.mount("/srv/d", None)
    user = await task.exec(ProcessSpec(("/bin/sleep", "1000"), workdir="/srv/d"))
    with pytest.raises(OSError, match="busy") as caught:
        await task.unmount("/srv/d")
    assert caught.value.errno == errno.EBUSY
    assert user.poll() is None
    await user.signal(9)
    await user.wait()
    await task.unmount("/srv/d")
    await task.kill()


async def test_a_snapshot_of_everything_leaves_out_what_is_the_kernels(
    engine: LocalEngine,
) -> None:
    task = await engine.create(TaskSpec())
    await out(task, "mkdir -p /srv/d/e; echo x >/srv/d/f; echo y >/dev/shm/y")
    image = await task.snapshot_directory("/dev")
    await task.mount("/srv/d", image)
    names = (await out(task, "ls -A /srv/d; cat /srv/d/shm/y")).split()
    assert {"pts", "shm", "fd", "y"} <= set(names)
    assert await out(task, "ls -A /srv/d/pts") == ""
    await engine.forget(image)
    await task.kill()
