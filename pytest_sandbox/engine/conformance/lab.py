"""What checks of images have in common: tasks and images that all go at the end, and comparing."""

import io
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from secrets import token_hex
from typing import TypeVar

from .. import (
    AnySnapshot,
    DirectorySnapshot,
    Engine,
    Entry,
    EntryKind,
    Process,
    ProcessSpec,
    Snapshot,
    Task,
    TaskSpec,
)
from .calls import forget, forget_volume, snapshot, snapshot_directory
from .support import equal, short, soon

#: What is known of each path below some directories; made to be compared.
Picture = dict[str, object]

S = TypeVar("S", bound=AnySnapshot)


class Lab:
    """Makes tasks, snapshots and volumes of one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._tasks: list[Task] = []
        self._snapshots: list[AnySnapshot] = []
        self._volumes: list[str] = []

    async def task(self, spec: TaskSpec | None = None) -> Task:
        """A task."""
        spec = spec or TaskSpec()
        self._tasks.append(await soon(self.engine.create(spec), f"create({spec})"))
        return self._tasks[-1]

    async def copy(self, image: Snapshot) -> Task:
        """A task without a main process, with the files of a snapshot."""
        return await self.task(TaskSpec(image=image))

    async def snapshot(self, task: Task, *, end: bool = False) -> Snapshot:
        """A snapshot of a task's files."""
        return self.forget_later(await soon(snapshot(task, end=end), f"snapshot({end=})"))

    async def directory(self, task: Task, path: str) -> DirectorySnapshot:
        """A snapshot of a directory."""
        call = snapshot_directory(task, path)
        return self.forget_later(await soon(call, f"snapshot_directory({path!r})"))

    def forget_later(self, snapshot: S) -> S:
        """Forget a snapshot at the end."""
        self._snapshots.append(snapshot)
        return snapshot

    def volume(self) -> str:
        """The name of a volume that there never was."""
        self._volumes.append(f"conformance-{token_hex(8)}")
        return self._volumes[-1]

    async def close(self) -> None:
        """End the tasks, and forget the snapshots and volumes."""
        for task in self._tasks:
            await soon(task.kill(), "kill() of a task")
        for taken in self._snapshots:
            await soon(forget(self.engine, taken), f"forget({taken})")
        for volume in self._volumes:
            await soon(forget_volume(self.engine, volume), f"forget_volume({volume!r})")


@asynccontextmanager
async def a_lab(engine: Engine) -> AsyncIterator[Lab]:
    """A lab for the length of a `with`."""
    lab = Lab(engine)
    try:
        yield lab
    finally:
        await lab.close()


class Shell:
    """A shell that goes on running, and is given one line after another.

    Whatever it was told before, it knows, and every line is answered: so it shows whether a process
    goes on as if nothing had happened.
    """

    def __init__(self, process: Process) -> None:
        self.process = process
        self._seen = 0

    @classmethod
    async def start(cls, task: Task) -> "Shell":
        """Start one."""
        spec = ProcessSpec(("/bin/sh", "-c", 'while read -r l; do eval "$l"; echo .; done'))
        return cls(await soon(task.exec(spec), "exec of a shell"))

    async def says(self, line: str) -> bytes:
        """What it prints for a line, up to the end of the line that it prints last."""
        await soon(self.process.write_stdin(f"{line}\n".encode()), f"{line!r} to a shell")
        data = b""
        while not (data == b".\n" or data.endswith(b"\n.\n")):
            more = await soon(
                self.process.stdout.read(self._seen), f"what a shell says to {line!r}"
            )
            assert more, f"the shell ended instead of doing {line!r}, after saying {data!r}"
            data += more
            self._seen += len(more)
        return data[:-2]


async def picture(task: Task, *roots: str) -> Picture:
    """Directories, and all that is below them: kinds, owners, modes, times, links, contents."""
    found: Picture = {}
    for root in roots:
        packed = [chunk async for chunk in task.files.pack(root)]
        contents = _contents(b"".join(packed), root.rstrip("/"))
        folders = [await task.files.stat(root)]
        found[root] = _plain(folders[0])
        while folders:
            for entry in await task.files.listdir(folders.pop().path):
                found[entry.path] = _plain(entry), contents.get(entry.path)
                if entry.kind is EntryKind.DIRECTORY:
                    folders.append(entry)
    return found


def same(seen: Picture, expected: Picture, what: str) -> None:
    """Compare what two tasks hold, and say where they differ."""
    equal(sorted(seen), sorted(expected), f"{what}: the names")
    differing = [path for path in expected if seen[path] != expected[path]]
    told = "".join(f"\n{short(expected[p])}\nbecame {short(seen[p])}" for p in differing[:3])
    assert not differing, f"{what}: {len(differing)} paths differ:{told}"


def _plain(entry: Entry) -> Entry:
    """An entry without names of owners, which are in another file, and the size of a directory."""
    size = entry.size if entry.kind is EntryKind.FILE else 0
    return replace(entry, owner="", group="", size=size)


def _contents(data: bytes, root: str) -> dict[str, object]:
    """Of each file the digest of what it holds, and under which names."""
    names: dict[str, list[str]] = {}
    digests: dict[str, str] = {}
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as archive:
        for member in archive:
            path = f"{root}/{member.name.removeprefix('./')}"
            if member.islnk():
                names[f"{root}/{member.linkname.removeprefix('./')}"].append(path)
            elif member.isreg():
                file = archive.extractfile(member)
                digests[path] = sha256(file.read() if file else b"").hexdigest()
                names[path] = [path]
    return {
        path: (digests[first], sorted(paths)) for first, paths in names.items() for path in paths
    }
