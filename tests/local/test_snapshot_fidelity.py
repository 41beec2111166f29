"""What comes out of a snapshot is what went in, to the last attribute, in every mode."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from pytest_sandbox.engine import (
    ProcessSpec,
    Snapshot,
    TaskSpec,
)
from pytest_sandbox.local import LocalEngine, Mode
from pytest_sandbox.local.engine.task import LocalTask

from .conftest import content, engine_in, shell

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=Mode, ids=lambda mode: mode.name.lower()
)
async def moded(request: pytest.FixtureRequest) -> AsyncIterator[LocalEngine]:
    """One engine in each mode that works here, for all tests of it."""
    async with engine_in(request.param) as engine:
        yield engine


#: Lists everything below some directories, as JSON; runs inside.
LIST = r"""
import hashlib, json, os, stat, sys

PAGE = 4096
ZEROS = bytes(PAGE)

def digest(path, size):
    # Of the pages that are not zero, with their places: holes are long, and need not be read.
    found = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        at = 0
        while at < size:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA) // PAGE * PAGE
            except OSError:  # ENXIO: no more data
                break
            end = os.lseek(file.fileno(), at, os.SEEK_HOLE)
            data = os.pread(file.fileno(), end - at, at)
            for start in range(0, len(data), PAGE):
                page = data[start : start + PAGE]
                if page != ZEROS[: len(page)]:
                    found.update(b"%d " % (at + start) + page)
            at += len(data)
    return found.hexdigest()

def listed(path):
    info = os.lstat(path)
    found = [oct(info.st_mode), info.st_uid, info.st_gid, info.st_mtime_ns]
    names = os.listxattr(path, follow_symlinks=False)
    found.append({n: os.getxattr(path, n, follow_symlinks=False).hex() for n in sorted(names)})
    if stat.S_ISLNK(info.st_mode):
        found.append(os.readlink(path))
    if stat.S_ISREG(info.st_mode):
        found += [info.st_size, info.st_nlink, digest(path, info.st_size)]
        found.append("sparse" if info.st_blocks * 512 < info.st_size else "dense")
    return found

tree, names = {}, {}
for root in sys.argv[1:]:
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not os.path.ismount(f"{folder}/{name}")]
        for path in [folder, *(os.path.join(folder, n) for n in [*files, *folders])]:
            tree[path] = listed(path)
            info = os.lstat(path)
            if info.st_nlink > 1 and not stat.S_ISDIR(info.st_mode):
                names.setdefault((info.st_dev, info.st_ino), set()).add(path)
groups = sorted(sorted(group) for group in names.values())
print(json.dumps([tree, groups]))
"""

#: Makes one of everything; runs inside.
MAKE = r"""
import os, socket, stat, struct, time
root = "/srv/tree"
many_ids = sum(int(line.split()[2]) for line in open("/proc/self/uid_map")) > 1
os.makedirs(root)
os.chdir(root)
os.umask(0)

def file(name, data=b"x", mode=0o644):
    with open(name, "wb") as f:
        f.write(data)
    os.chmod(name, mode)

for mode in (0, 0o1, 0o444, 0o640, 0o777, 0o4755, 0o2755, 0o6711, 0o1666):
    file(f"mode-{mode:o}", mode=mode)
for mode in (0o0, 0o700, 0o1777, 0o2775):
    os.mkdir(f"folder-{mode:o}")
    file(f"folder-{mode:o}/f")
    os.chmod(f"folder-{mode:o}", mode)
os.symlink("nowhere", "dangling")
os.symlink("/etc/passwd", "absolute")
os.symlink("x" * 4000, "long")
file("one")
for name in ("two", "folder-700/three", "folder-1777/four"):
    os.link("one", name)
os.link("dangling", "dangling-too")
os.mkfifo("fifo", 0o640)
os.link("fifo", "fifo-too")
socket.socket(socket.AF_UNIX).bind("socket")
fd = os.open("hole", os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 12345)
os.close(fd)
fd = os.open("sparse", os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 50 * 2**20)
for offset in (2**20, 30 * 2**20):
    os.pwrite(fd, b"data" * 1000, offset)
os.close(fd)
file("large", os.urandom(3 * 2**20 + 17))
file("attributes")
os.setxattr("attributes", "user.one", b"\0\xff binary")
os.setxattr("folder-700", "user.two", b"v" * 1000)
file("capable", mode=0o755)
capability = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
os.setxattr("capable", "security.capability", capability)

def entry(tag, bits, who=0xFFFFFFFF):
    return struct.pack("<HHI", tag, bits, who)

acl = struct.pack("<I", 2) + b"".join(
    [entry(1, 6), entry(2, 7, 0), entry(4, 4), entry(0x10, 7), entry(0x20, 0)]
)
file("listed")
os.setxattr("listed", "system.posix_acl_access", acl)
os.mkdir("lists")
os.setxattr("lists", "system.posix_acl_default", acl)
file("lists/inherits")
for name in ("\n", " ", "\\", "*", "-rf", "x" * 255, b"\xff\xfe", ".wh.a", ":", ","):
    file(name)
if many_ids:
    for name in ("mode-640", "folder-2775", "fifo", "socket", "attributes", "listed"):
        os.chown(name, 1000, 65534)
    os.chown("absolute", 7, 8, follow_symlinks=False)
    os.chown("capable", 5, 6)
    os.setxattr("capable", "security.capability", capability)
deep = root
for _ in range(15):
    os.mkdir("d" * 200)
    os.chdir("d" * 200)
file("deepest")
os.chdir(root)
for folder, folders, files in os.walk(root, topdown=False):
    for name in [*files, *folders]:
        path = os.path.join(folder, name)
        os.utime(path, ns=(1, 1234567890123456789 + len(name)), follow_symlinks=False)
os.utime("/srv", ns=(5, 987654321987654321))
"""

#: What is done in a copy, and then in a copy of what is left; runs inside.
CHANGE = r"""
import os, shutil
os.chdir("/srv/tree")
os.unlink("two")
os.unlink("dangling")
shutil.rmtree("folder-700")
os.mkdir("folder-700")                      # opaque
open("folder-700/new", "w").close()
os.rename("folder-1777/f", "moved")
shutil.rmtree("lists")                      # gone
os.unlink("fifo")
os.mkdir("fifo")                            # another kind
os.rename("mode-444", "mode-640")           # one over another
os.rename("large", "folder-2775/large")
with open("attributes", "a") as f: f.write("more")
os.setxattr("attributes", "user.three", b"3")
os.removexattr("attributes", "user.one")
os.chmod("folder-2775", 0o711)
os.truncate("sparse", 40 * 2**20)
os.unlink("/etc/fstab")
shutil.rmtree("/var/cache")
os.chmod("/srv", 0o2711)
"""
AGAIN = r"""
import os, shutil
os.chdir("/srv/tree")
os.mkdir("lists")                           # made again, over what a lower layer removed
open("two", "w").close()
shutil.rmtree("folder-700")
shutil.rmtree("fifo")
os.mkdir("/var/cache")
os.link("one", "five")
os.rename("one", "one-moved")
os.rename("one-moved", "one")
"""
ROOTS = ("/srv", "/etc", "/var", "/root", "/home")

Tree = dict[str, object]
Groups = list[list[str]]


async def python(task: LocalTask, script: str, *arguments: str) -> str:
    process = await task.exec(ProcessSpec(("python3", "-c", script, *arguments)))
    out, err = await content(process.stdout), await content(process.stderr)
    assert (await process.wait()).code == 0, err
    return out


async def out(task: LocalTask, script: str) -> str:
    done = await shell(task, script)
    assert (done.code, done.err) == (0, ""), done
    return done.out


async def listing(task: LocalTask, *roots: str) -> tuple[Tree, Groups]:
    """Everything below `roots`: what each path is, and which paths are names of one file."""
    tree, groups = json.loads(await python(task, LIST, *(roots or ROOTS)))
    return tree, groups


def same(found: tuple[Tree, Groups], expected: tuple[Tree, Groups]) -> None:
    same_tree(found[0], expected[0])
    assert found[1] == expected[1]


def same_tree(found: Tree, expected: Tree) -> None:
    assert sorted(found) == sorted(expected)
    assert {path: is_ for path, is_ in found.items() if is_ != expected[path]} == {}


async def in_place(engine: LocalEngine, task: LocalTask) -> Snapshot:
    return await task.snapshot()


async def while_busy(engine: LocalEngine, task: LocalTask) -> Snapshot:
    sleeper = await task.exec(ProcessSpec(("/bin/sleep", "1000")))
    image = await task.snapshot()
    await sleeper.signal(9)
    await sleeper.wait()
    return image


async def at_the_end(engine: LocalEngine, task: LocalTask) -> Snapshot:
    return await task.snapshot(end=True)


async def through_a_stream(engine: LocalEngine, task: LocalTask) -> Snapshot:
    image = await task.snapshot()
    loaded = await engine.load(engine.export(image))
    await engine.forget(image)
    return loaded


Way = Callable[[LocalEngine, LocalTask], Awaitable[Snapshot]]


#: The last of them ends the sandbox.
WAYS: tuple[Way, ...] = (in_place, while_busy, through_a_stream, at_the_end)


async def test_copies_are_identical(moded: LocalEngine) -> None:
    source = await moded.create(TaskSpec())
    await python(source, MAKE)
    expected = await listing(source)
    for way in WAYS:
        copy = await moded.create(TaskSpec(image=await way(moded, source)))
        same(await listing(copy), expected)
        await copy.kill()
        if way is while_busy:
            same(await listing(source), expected)
    await source.kill()


async def test_a_copy_of_a_changed_copy_is_identical(
    moded: LocalEngine, request: pytest.FixtureRequest
) -> None:
    """Each copy is made in another way; the order is another one in each mode.

    The stream is never the last: overlayfs counts the names of a file wrongly that it took from a
    lower layer, which a stream puts right.
    """
    first = list(Mode).index(request.node.callspec.params["moded"]) % 3
    *ways, last = WAYS[first:] + WAYS[:first]
    task = await moded.create(TaskSpec())
    await python(task, MAKE)
    for script, way in zip((CHANGE, AGAIN, "pass"), ways, strict=True):
        before, task = task, await moded.create(TaskSpec(image=await way(moded, task)))
        await before.kill()
        await python(task, script)
    expected, _ = await listing(task)
    copy = await moded.create(TaskSpec(image=await last(moded, task)))
    # Overlayfs gives the names of one file different numbers once it came from a lower layer.
    tree, _ = await listing(copy)
    same_tree(tree, expected)
    await copy.kill()
    await task.kill()


async def test_directory_snapshots_work_in_every_mode(moded: LocalEngine) -> None:
    task = await moded.create(TaskSpec())
    await out(task, "mkdir -p /srv/a /srv/b; echo one >/srv/a/f; chmod 2711 /srv/a")
    image = await task.snapshot_directory("/srv/a")
    await out(task, "rm -r /srv/a")
    await task.mount("/srv/b", image)
    assert await out(task, "cat /srv/b/f; stat -c %a /srv/b; echo two >>/srv/b/f") == "one\n2711\n"
    again = await task.snapshot_directory("/srv/b")
    other = await moded.create(TaskSpec())
    await other.mount("/mnt", again)
    assert await out(other, "cat /mnt/f") == "one\ntwo\n"
    await task.unmount("/srv/b")
    await other.kill()
    await task.kill()


async def test_copies_of_a_system_are_identical(moded: LocalEngine) -> None:
    """Many files as packages bring them, some of them beside the system itself."""
    source = await moded.create(TaskSpec())
    await shell(source, "cp -a /usr/sbin /usr/lib/dpkg /usr/share/perl5 /usr/share/bash* /srv")
    await shell(source, "rm -r /usr/share/perl5; cp -a /etc /usr/share/perl5")
    expected = await listing(source, "/srv", "/usr/share/perl5")
    assert len(expected[0]) > 300
    for way in WAYS:
        copy = await moded.create(TaskSpec(image=await way(moded, source)))
        same(await listing(copy, "/srv", "/usr/share/perl5"), expected)
        await copy.kill()
    await source.kill()


async def test_a_copy_takes_no_more_memory(engine: LocalEngine) -> None:
    """The kernel may give it several pages at once, but none for a hole, or beyond the end."""
    task = await engine.create(TaskSpec())
    await out(
        task,
        "cd /srv; for i in $(seq 300); do head -c $i /dev/zero >small$i; done;"
        " for i in 5000 70000 300000 3000000; do head -c $i /dev/urandom >$i; done;"
        " truncate -s 64M holes;"
        " for i in 1 3 700 5000; do echo x | dd of=holes bs=4096 seek=$i conv=notrunc status=none;"
        " done",
    )
    store = engine.factory.store
    room = store.room
    busy = await while_busy(engine, task)
    copied = room - store.room
    in_place = await task.snapshot(end=True)
    few_folders = 64 << 10  # which a layer has beside its files; a large page is 2 MiB
    assert copied <= room - copied - store.room + few_folders

    for image in (busy, in_place):
        await engine.forget(image)
