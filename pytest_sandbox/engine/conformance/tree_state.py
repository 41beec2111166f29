"""The state of directory trees, for comparing two tasks."""

import io
import tarfile
from dataclasses import replace
from hashlib import sha256

from .. import Entry, EntryKind, Task
from .support import equal, short

#: A description of each path below some directories.
TreeState = dict[str, object]


async def tree_state(task: Task, *roots: str) -> TreeState:
    """Directories, and all that is below them: kinds, owners, modes, times, links, contents."""
    found: TreeState = {}
    for root in roots:
        packed = [chunk async for chunk in task.files.pack(root)]
        contents = _contents(b"".join(packed), root.rstrip("/"))
        directories = [await task.files.stat(root)]
        found[root] = _plain(directories[0])
        while directories:
            for entry in await task.files.listdir(directories.pop().path):
                found[entry.path] = _plain(entry), contents.get(entry.path)
                if entry.kind is EntryKind.DIRECTORY:
                    directories.append(entry)
    return found


def assert_same(seen: TreeState, expected: TreeState, what: str) -> None:
    """Compare the trees of two tasks; the error shows the first paths that differ."""
    equal(sorted(seen), sorted(expected), f"{what}: the names")
    differing = [path for path in expected if seen[path] != expected[path]]
    shown = "".join(f"\n{short(expected[p])}\nbecame {short(seen[p])}" for p in differing[:3])
    assert not differing, f"{what}: {len(differing)} paths differ:{shown}"


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
