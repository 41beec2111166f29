"""File operations of the engine, in a sandbox that sets traps for them."""

import asyncio
import io
import os
import tarfile
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pytest_sandbox.engine import EngineError, EntryKind, Process, ProcessSpec, Task, WatchEvent

pytestmark = pytest.mark.asyncio(loop_scope="module")

Inside = Callable[..., Awaitable[Any]]
T = TypeVar("T")

#: Swaps a directory and a link until it is killed; at no moment does either not exist.
SWAP = """
import ctypes, sys
libc = ctypes.CDLL(None)
print("ready", flush=True)
one, other = (path.encode() for path in sys.argv[1:])
while True:
    libc.renameat2(-100, one, -100, other, 2)  # RENAME_EXCHANGE
"""


async def bounded(call: Awaitable[T]) -> T:
    return await asyncio.wait_for(call, 30)


async def shell(task: Task, script: str) -> bytes:
    process = await task.exec(ProcessSpec(("/bin/sh", "-c", script)))
    output = b"".join([chunk async for chunk in process.stdout.follow()])
    assert (await bounded(process.wait())).code == 0, process.stderr.tail(1000)
    return output


async def packed(task: Task, path: str) -> bytes:
    return b"".join([chunk async for chunk in task.files.pack(path)])


async def chunks(*data: bytes) -> AsyncIterator[bytes]:
    for chunk in data:
        yield chunk


async def still_works(task: Task) -> None:
    assert await bounded(shell(task, "echo fine")) == b"fine\n"
    assert (await bounded(task.files.stat("/tmp"))).kind is EntryKind.DIRECTORY


def tar(*members: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)) if member.isreg() else None)
    return buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in fields.items():
        setattr(info, field, value)
    return info


@pytest.fixture
def planted(canary: str) -> Iterator[Path]:
    """A folder of the machine with a secret in it."""
    with tempfile.TemporaryDirectory(prefix="planted-", dir="/var/tmp") as folder:
        secret = Path(folder) / "secret"
        secret.write_text(canary)
        yield secret


@asynccontextmanager
async def swapping(task: Task, one: str, other: str) -> AsyncIterator[Process]:
    script = (
        'for p in python3 /usr/bin/python3; do command -v $p >/dev/null && exec $p -c "$@"; done'
    )
    argv = ("/bin/sh", "-c", script, "sh", SWAP, one, other)
    process = await task.exec(ProcessSpec(argv))
    assert await bounded(process.stdout.read(0)) == b"ready\n"
    yield process
    await process.signal(9)
    await bounded(process.wait())


async def test_a_link_to_the_machine_leads_nowhere(task: Task, planted: Path) -> None:
    await shell(task, f"ln -s {planted} /tmp/file; ln -s {planted.parent} /tmp/folder")

    for call in (
        task.files.open("/tmp/file", os.O_RDONLY),
        task.files.stat("/tmp/file", follow=True),
        task.files.listdir("/tmp/folder"),
        task.files.open("/tmp/folder/secret", os.O_RDONLY),
        task.files.open("/tmp/folder/new", os.O_RDWR | os.O_CREAT),
        task.files.remove("/tmp/folder/secret"),
        task.files.mkdir("/tmp/folder/new"),
        packed(task, "/tmp/folder"),
    ):
        with pytest.raises(FileNotFoundError):
            await bounded(call)
    await bounded(task.files.remove("/tmp/folder", recursive=True))

    assert os.listdir(planted.parent) == ["secret"]


@pytest.mark.parametrize(
    "name",
    ["environ", "mem", "maps", "cmdline", "auxv", "mountinfo", "fd", "root", "cwd", "exe", "task"],
)
async def test_a_link_to_the_agent_itself_tells_nothing(
    task: Task, planted: Path, canary: str, name: str
) -> None:
    await shell(task, f"ln -s /proc/self/{name} /tmp/self")
    told = b""
    with suppress(OSError):
        file = await bounded(task.files.open("/tmp/self", os.O_RDONLY))
        told = await bounded(file.pread(0, 1_000_000))
    with suppress(OSError):
        told += repr(await bounded(task.files.listdir("/tmp/self"))).encode()

    assert canary.encode() not in told
    assert planted.parent.name.encode() not in told
    assert b"SECRET" not in told
    await still_works(task)


async def test_the_agent_cannot_be_written_through_a_link(task: Task) -> None:
    await shell(task, "ln -s /proc/self/mem /tmp/mem; ln -s /proc/self/oom_score_adj /tmp/oom")
    for path in ("/tmp/mem", "/tmp/oom", "/proc/1/mem"):
        with suppress(OSError):
            file = await bounded(task.files.open(path, os.O_RDWR))
            await bounded(file.pwrite(0, b"-1000"))
    await still_works(task)


@pytest.mark.parametrize("kind", ["fifo", "socket", "device", "terminal"])
async def test_opening_what_is_no_file_fails_at_once(task: Task, inside: Inside, kind: str) -> None:
    if kind == "fifo":
        await shell(task, "mkfifo /tmp/trap")
    elif kind == "socket":
        await inside("import socket; socket.socket(1).bind('/tmp/trap'); print(1)")
    else:
        await shell(task, f"ln -s /dev/{'zero' if kind == 'device' else 'ptmx'} /tmp/trap")

    for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR | os.O_CREAT, os.O_WRONLY | os.O_TRUNC):
        with pytest.raises(OSError, match="trap"):
            await bounded(task.files.open("/tmp/trap", flags))
    await still_works(task)


@pytest.mark.parametrize(
    "trap",
    [
        "rm {0}; mkfifo {0}",
        "ln -sf /dev/zero {0}",
        "ln -sf /dev/tty {0}",
        "ln -sf /proc/self/mem {0}",
        "rm {0}; ln -s {0} {0}",
        "rm {0}; mkdir {0}",
        "rm {0}",
        "head -c 300000000 /dev/zero > {0}",
        "head -c 1000000 /dev/urandom > {0}",
        "printf 'root:x:99999999999999999999999:x\\n:::\\nroot\\n\\377:x:0:0\\n' > {0}",
    ],
)
async def test_names_of_owners_come_from_a_hostile_file(task: Task, trap: str) -> None:
    await shell(
        task, ": > /srv/f; " + "; ".join(trap.format(f"/etc/{n}") for n in ("passwd", "group"))
    )

    (entry,) = await bounded(task.files.listdir("/srv"))

    assert (entry.uid, entry.gid, entry.path) == (0, 0, "/srv/f")
    assert len(entry.owner) < 100
    await still_works(task)


async def test_a_folder_that_becomes_a_link_is_not_emptied_through_it(task: Task) -> None:
    await shell(task, "mkdir -p /tmp/victim/sub; cd /tmp/victim; touch $(seq 100) sub/f")
    again = "rm -rf /tmp/tree /tmp/link; ln -s /tmp/victim /tmp/link; mkdir -p /tmp/tree/d/e"
    for _ in range(30):
        await shell(task, f"{again}; touch $(seq -f /tmp/tree/d/e/%g 50)")
        async with swapping(task, "/tmp/tree/d", "/tmp/link"):
            with suppress(OSError):
                await bounded(task.files.remove("/tmp/tree", recursive=True))

    assert len(await task.files.listdir("/tmp/victim")) == 101
    assert [entry.name for entry in await task.files.listdir("/tmp/victim/sub")] == ["f"]


async def test_a_folder_that_becomes_a_link_to_the_machine_is_not_packed(
    task: Task, planted: Path, canary: str
) -> None:
    await shell(task, f"mkdir -p /tmp/tree/d; ln -s {planted.parent} /tmp/link")
    await shell(task, "touch $(seq -f /tmp/tree/d/%g 50)")
    async with swapping(task, "/tmp/tree/d", "/tmp/link"):
        for _ in range(30):
            with suppress(OSError):
                assert canary.encode() not in await bounded(packed(task, "/tmp/tree"))
    await still_works(task)


async def test_a_folder_that_becomes_a_link_to_the_machine_is_not_written_through(
    task: Task, planted: Path
) -> None:
    await shell(task, f"mkdir -p /tmp/tree/d; ln -s {planted.parent} /tmp/link")
    archive = tar(member("d", tarfile.DIRTYPE, mode=0o755), *(member(f"d/{n}") for n in range(50)))
    async with swapping(task, "/tmp/tree/d", "/tmp/link"):
        for _ in range(30):
            with suppress(OSError):
                await bounded(task.files.unpack("/tmp/tree", chunks(archive)))
            with suppress(OSError):
                await bounded(task.files.open("/tmp/tree/d/new", os.O_RDWR | os.O_CREAT))
            with suppress(OSError):
                await bounded(task.files.mkdir("/tmp/tree/d/made", parents=True))
    assert os.listdir(planted.parent) == ["secret"]


async def test_devices_in_a_tar_are_refused_or_left_out(task: Task) -> None:
    archive = tar(
        member("null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
        member("disk", tarfile.BLKTYPE, devmajor=254, devminor=0, mode=0o666),
    )
    with suppress(OSError):
        await bounded(task.files.unpack("/tmp/u", chunks(archive)))
    with suppress(FileNotFoundError):
        assert EntryKind.OTHER not in {e.kind for e in await task.files.listdir("/tmp/u")}
    await still_works(task)


@pytest.mark.parametrize(
    "header",
    [
        {"size": 8 * 2**30, "kind": tarfile.XHDTYPE},
        {"size": 8 * 2**30, "kind": tarfile.GNUTYPE_LONGNAME},
        {"size": 64 * 2**20, "kind": tarfile.XHDTYPE},
    ],
    ids=["pax of 8 GiB", "name of 8 GiB", "pax of 64 MiB"],
)
async def test_a_tar_cannot_make_the_agent_collect_gigabytes(
    task: Task, header: dict[str, Any]
) -> None:
    info = member("x", header["kind"], size=header["size"])

    async def endless() -> AsyncIterator[bytes]:
        yield info.tobuf(tarfile.GNU_FORMAT)
        for _ in range(64):
            yield bytes(2**20)

    with pytest.raises(OSError, match=r"."):
        await bounded(task.files.unpack("/tmp/u", endless()))
    await still_works(task)


async def test_a_very_deep_tree_is_packed_and_removed(task: Task, inside: Inside) -> None:
    code = """
import json, os
os.mkdir("/srv/deep"); os.chdir("/srv/deep")
for _ in range(3000):
    os.mkdir("directory"); os.chdir("directory")
print(json.dumps("made"))
"""
    assert await inside(code) == "made"

    with suppress(OSError):  # a tar of it may be refused; the agent must survive it
        await bounded(packed(task, "/srv/deep"))
    await still_works(task)
    await bounded(task.files.remove("/srv/deep", recursive=True))

    assert await task.files.listdir("/srv") == []


async def test_a_very_wide_folder_is_listed(task: Task, inside: Inside) -> None:
    code = """
import json, os
os.mkdir("/tmp/wide"); os.chdir("/tmp/wide")
for number in range(5000):
    os.mkdir(f"{number:0>250}")
print(json.dumps("made"))
"""
    assert await inside(code) == "made"
    assert len(await bounded(task.files.listdir("/tmp/wide"))) == 5000
    await bounded(task.files.remove("/tmp/wide", recursive=True))


async def test_a_file_of_any_size_that_the_kernel_allows(task: Task, inside: Inside) -> None:
    code = """
import json, os
size = 2**63 - 2**16
while True:
    try:
        os.truncate(os.open("/tmp/huge", os.O_RDWR | os.O_CREAT), size); break
    except OSError:
        size //= 2
print(json.dumps(size))
"""
    size = await inside(code)
    assert (await bounded(task.files.stat("/tmp/huge"))).size == size
    file = await bounded(task.files.open("/tmp/huge", os.O_RDWR))
    assert await bounded(file.pread(size - 5, 100)) == bytes(5)
    with pytest.raises(OSError, match=r"."):
        await bounded(file.pwrite(2**63 - 1, b"xx"))
    await still_works(task)


async def test_a_storm_of_events_neither_blocks_nor_fills_memory(
    task: Task, inside: Inside
) -> None:
    events = task.files.watch("/tmp", recursive=True)
    first: asyncio.Future[WatchEvent] = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    # Two events each or more: more than the kernel queues, fs.inotify.max_queued_events, 16,384.
    code = """
import json, os
for number in range(20_000):
    path = f"/tmp/{number % 100}"
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY)); os.unlink(path)
print(json.dumps("done"))
"""
    assert await bounded(inside(code)) == "done"  # nobody reads the events meanwhile
    await bounded(first)
    await still_works(task)
    await events.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "limit",
    ["RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_NPROC", "RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_STACK"],
)
async def test_an_agent_starved_by_its_own_sandbox_hurts_that_sandbox_only(
    task: Task, inside: Inside, limit: str
) -> None:
    code = """
import json, resource, sys
try:
    resource.prlimit(1, getattr(resource, sys.argv[1]), (0, 0))
except OSError as error:
    pass
print(json.dumps("done"))
"""
    with suppress(EngineError, AssertionError):  # its output may be lost with the agent
        await bounded(inside(code, limit))
    for call in (
        task.exec(ProcessSpec(("true",))),
        task.files.listdir("/tmp"),
        task.files.open("/tmp/f", os.O_RDWR | os.O_CREAT),
        task.files.unpack("/tmp/u", chunks(tar(member("f", size=10)))),
        packed(task, "/etc"),
    ):
        with suppress(EngineError, OSError):
            await bounded(call)
    await bounded(task.kill())
    await bounded(task.wait())
