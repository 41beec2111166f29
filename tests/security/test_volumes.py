"""What a hostile program gets by a volume, and that each protection is what keeps it away."""

from __future__ import annotations

import functools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from pytest_sandbox.engine import Engine, InvalidSpec, TaskSpec, VolumeMount
from pytest_sandbox.local import LocalEngine
from pytest_sandbox.local.engine.links import bare_python
from pytest_sandbox.local.options import LocalOptions
from pytest_sandbox.server.volumes import volume_files, workers

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio(loop_scope="module")

Inside = Callable[..., Awaitable[Any]]

#: Changes of the zygote that turn a protection off.
FOLLOWS_LINKS = """
from pytest_sandbox.local.filesystem import mount_points
mount_points._FOLDER &= ~mount_points.os.O_NOFOLLOW
"""
WRITES = """
import types
from pytest_sandbox.local.filesystem import volume_mounts
volume_mounts.mounts = types.SimpleNamespace(**vars(volume_mounts.mounts))
volume_mounts.mounts.set_attributes = lambda *_: None
"""


@pytest_asyncio.fixture(loop_scope="module")
async def unprotected(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncIterator[Engine]:
    """An engine whose zygote was changed, as the parameter says."""
    change = f"{request.param}\nmain()"
    monkeypatch.setattr(bare_python, "_BOOTSTRAP", bare_python._BOOTSTRAP.replace("main()", change))
    engine = LocalEngine()
    await engine.start()
    yield engine
    await engine.close()


#: Leaves links for others that mount a part of the volume: to the root that the zygote has before
#: it is the sandbox's, and to the first volume there.
LEAVE = """
import json, os, sys
os.symlink("/", "/vol/top")
os.symlink("../1", "/vol/neighbour")
open("/own/secret", "w").write("secret")
print(json.dumps(True))
"""
#: Lists what is there, two levels deep.
LIST = """
import json, os
print(json.dumps(sorted({name for _, names, files in os.walk("/part") for name in names + files})))
"""


async def seen_by_part(engine: Engine, run_inside: Inside, sub_path: str) -> list[str]:
    """What a sandbox sees of a part of a volume in which another one has left links."""
    shared, own = f"shared {sub_path}", f"own {sub_path}"
    volumes = (VolumeMount(own, "/own"), VolumeMount(shared, "/vol"))
    owner = await engine.create(TaskSpec(volumes=volumes))
    try:
        await run_inside(owner, LEAVE)
        mount = VolumeMount(shared, "/part", sub_path=sub_path)
        other = await engine.create(TaskSpec(volumes=(mount,)))
        try:
            return list(await run_inside(other, LIST))
        finally:
            await other.kill()
    finally:
        await owner.kill()


@pytest.mark.parametrize("sub_path", ["top", "neighbour"])
async def test_a_part_of_a_volume_is_not_where_a_link_leads(
    engine: Engine, run_inside: Inside, sub_path: str
) -> None:
    with pytest.raises(InvalidSpec, match="Not a directory"):
        await seen_by_part(engine, run_inside, sub_path)


@pytest.mark.parametrize("unprotected", [FOLLOWS_LINKS], indirect=True, ids=["off"])
async def test_if_links_are_followed_a_part_is_a_volume_of_others(
    unprotected: Engine, run_inside: Inside
) -> None:
    assert "secret" in await seen_by_part(unprotected, run_inside, "neighbour")


#: Tries to change a volume that may only be read, and prints what worked.
CHANGE = """
import ctypes, json, os
libc = ctypes.CDLL(None, use_errno=True)
REMOUNT, BIND = 32, 4096
def remount():
    if libc.mount(b"none", b"/vol", None, REMOUNT | BIND, None):
        raise OSError
def again():
    os.mkdir("/tmp/again")
    if libc.mount(b"/vol", b"/tmp/again", None, BIND, None):
        raise OSError
WAYS = {
    "write": lambda: open("/vol/f", "a").write("x"),
    "make": lambda: open("/vol/new", "w"),
    "by the root of a process": lambda: open("/proc/self/root/vol/f", "a"),
    "by PID 1": lambda: open("/proc/1/root/vol/f", "a"),
    "rename": lambda: os.rename("/vol/f", "/vol/g") or os.rename("/vol/g", "/vol/f"),
    "chmod": lambda: os.chmod("/vol/f", 0o777),
    "times": lambda: os.utime("/vol/f"),
    "remount": remount,
    "mount again": again,
}
worked = []
for name, way in WAYS.items():
    try:
        way()
        worked.append(name)
    except OSError:
        pass
print(json.dumps(worked))
"""


async def changes(engine: Engine, run_inside: Inside) -> list[str]:
    """How a sandbox changes a volume that it may only read."""
    owner = await engine.create(TaskSpec(volumes=(VolumeMount("read", "/vol"),)))
    try:
        await run_inside(owner, "open('/vol/f', 'w'); print(1)")
        mount = VolumeMount("read", "/vol", read_only=True)
        reader = await engine.create(TaskSpec(volumes=(mount,)))
        try:
            return list(await run_inside(reader, CHANGE))
        finally:
            await reader.kill()
    finally:
        await owner.kill()


async def test_a_volume_to_read_cannot_be_changed(engine: Engine, run_inside: Inside) -> None:
    assert await changes(engine, run_inside) == []


@pytest.mark.parametrize("unprotected", [WRITES], indirect=True, ids=["off"])
async def test_without_its_attribute_a_mount_to_read_is_written(
    unprotected: Engine, run_inside: Inside
) -> None:
    ways = {"write", "make", "by the root of a process", "rename", "chmod", "times"}
    assert ways <= set(await changes(unprotected, run_inside))


#: Leaves a link to a directory of the machine.
LINK = """
import json, os, sys
os.symlink(sys.argv[1], "/vol/link")
print(json.dumps(True))
"""


@pytest.mark.parametrize(
    ("follows", "shows", "expected"),
    [
        (False, False, "NotADirectoryError"),
        (True, False, "FileNotFoundError"),
        (False, True, "NotADirectoryError"),
        (True, True, b"secret"),
    ],
    ids=["both", "a sandbox of its own", "no links", "off"],
)
async def test_files_of_the_machine_are_not_files_of_a_volume(
    follows: bool,
    shows: bool,
    expected: object,
    tmp_path: Path,
    run_inside: Inside,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Either protection keeps the engine from reading what a link in a volume names."""
    (tmp_path / "f").write_bytes(b"secret")
    if follows:
        monkeypatch.setattr(
            volume_files,
            "_entry",
            lambda files, path: files.stat(volume_files._inside(volume_files._parts(path))),
        )
    if shows:
        monkeypatch.setattr(workers, "TaskSpec", functools.partial(TaskSpec, project=True))
    engine = LocalEngine(LocalOptions(project=os.fspath(tmp_path)))
    await engine.start()
    try:
        owner = await engine.create(TaskSpec(volumes=(VolumeMount("v", "/vol"),)))
        await run_inside(owner, LINK, os.fspath(tmp_path))
        files = volume_files.VolumeFiles(workers.VolumeWorkers(engine), engine.clock)
        try:
            found: object = b"".join([data async for data in files.read("v", "link/f")])
        except OSError as error:
            found = type(error).__name__
        assert found == expected
    finally:
        await engine.close()
