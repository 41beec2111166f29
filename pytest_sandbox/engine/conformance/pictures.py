"""What is below a directory, described so that two tasks can be compared."""

import io
import tarfile
from dataclasses import replace
from hashlib import sha256

from .. import Entry, EntryKind, Task
from .support import equal, short

#: What is known of each path below some directories; made to be compared.
Picture = dict[str, object]


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
