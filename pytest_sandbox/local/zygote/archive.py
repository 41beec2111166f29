"""Layers as a stream of bytes, for files that outlive the engine.

Records, each a length of four bytes and so many bytes of JSON, then, after that of a file, its
data. They come in the order of a walk: a directory is entered, all that it holds, it is left. The
last one has a checksum of all before it, so that half a stream is none.

Unlike a tar archive it has all that a layer has: sockets, extended attributes, times to the
nanosecond, holes, and what overlayfs notes of names that are gone.
"""

from __future__ import annotations

import base64
import errno
import json
import os
import stat
import struct
import zlib

from pytest_sandbox._shared.extents import extents
from pytest_sandbox._shared.relative_path import is_name

from ..filesystem import root_mounts
from ..filesystem.tree_copier import hard_link_key, open_file, read_special
from ..filesystem.tree_writer import TreeWriter
from ..filesystem.walk import Visitor, open_folder, walk
from ..kernel import file_attributes, mounts
from ..kernel.file_attributes import Attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .config import SandboxConfig

_FORMAT = 1
_LENGTH = struct.Struct(">I")
#: Extended attributes take the most: 64 KiB each, xattr(7), and base64.
_LARGEST = 64 * 1024 * 1024
_CHUNK = 256 * 1024
_SHOWN = 200
_NO_ROOM = (errno.ENOSPC, errno.ENOMEM)
_NONSENSE = (
    *(ArithmeticError, AttributeError, LookupError, TypeError, ValueError),
    OSError,  # as of two files with the same name
    RecursionError,  # of JSON with many brackets
)


def write(config: SandboxConfig, stack: list[int], fd: int) -> None:
    """Write layers as one, merged, to a pipe; in a helper.

    It has entered the user namespace of sandboxes: there, owners are numbers of the sandbox,
    whichever ids of the machine stand for them in this run, user_namespaces(7).

    Args:
        config: what sandboxes have in common.
        stack: the layers, the newest first.
        fd: the pipe.
    """
    out = _Writer(fd)
    places = _parts(config)
    parts = {
        part: having
        for part in places
        if (having := [number for number in stack if config.layers.has(number, part)])
    }
    out.record({"format": _FORMAT, "parts": {part: places[part] for part in parts}})
    for part, having in parts.items():
        out.enter(part)
        walk([open_folder(f"/layers/{number}/{part}") for number in having], out, merge=True)
    out.end()


def read(config: SandboxConfig, room: int, fd: int) -> int:
    """Make a store of what `write` wrote; in such a helper.

    Args:
        config: what sandboxes have in common.
        room: bytes that it may take.
        fd: a pipe with the stream.

    Returns:
        The store.

    Raises:
        OSError: `EINVAL` if the stream is not whole, or is something else.
    """
    root_mounts.mount_store(min(config.size, room), config.inodes, for_copy=True)
    with os.fdopen(fd, "rb", buffering=_CHUNK) as source:
        try:
            _Reader(source).read(_parts(config))
        # Whatever a damaged or made-up stream causes in the reader.
        except _NONSENSE as error:
            if isinstance(error, OSError) and error.errno in _NO_ROOM:
                raise
            why = str(error)[:_SHOWN]
            raise OSError(errno.EINVAL, f"it is not what was exported: {why}", "") from error
    return mounts.open_tree("/box")


def _parts(config: SandboxConfig) -> dict[str, str]:
    """The parts of a store, and what each lies over."""
    return {"r": "/", **{tree.part: tree.path for tree in config.trees if tree.layered}}


class _Writer(Visitor):
    def __init__(self, fd: int) -> None:
        self._out = os.fdopen(fd, "wb", buffering=_CHUNK)
        self._sum = 0
        self._seen: set[str] = set()

    def record(self, record: dict[str, Any]) -> None:
        data = json.dumps(record, separators=(",", ":")).encode("ascii")
        self._write(_LENGTH.pack(len(data)) + data)

    def end(self) -> None:
        self.record({"end": self._sum})
        self._out.close()

    def enter(self, name: str) -> None:
        self.record({"enter": name})

    def leave(self, attributes: Attributes) -> None:
        self.record({"leave": _described(attributes)})

    def item(self, name: str, folder: int, info: os.stat_result) -> None:
        key = hard_link_key(info)
        if key in self._seen:
            self.record({"name": name, "again": key})
            return
        record = {"name": name, "key": key}
        if key:
            self._seen.add(key)
        if stat.S_ISREG(info.st_mode):
            self._file(open_file(name, folder), record)
        else:
            attributes, target = read_special(name, folder, info)
            self.record({**record, "is": _described(attributes), "target": target})

    def _file(self, fd: int, record: dict[str, Any]) -> None:
        try:
            info = os.fstat(fd)
            parts = extents(fd, info)
            described = _described(file_attributes.read(fd, info))
            self.record({**record, "is": described, "parts": parts})
            for offset, size in parts:
                for start in range(offset, offset + size, _CHUNK):
                    self._write(os.pread(fd, min(_CHUNK, offset + size - start), start))
        finally:
            os.close(fd)

    def _write(self, data: bytes) -> None:
        self._sum = zlib.crc32(data, self._sum)
        self._out.write(data)


class _Reader:
    def __init__(self, source: Any) -> None:
        self._source = source
        self._sum = 0

    def read(self, parts: dict[str, str]) -> None:
        header = self._record()
        if header["format"] != _FORMAT or not header["parts"].items() <= parts.items():
            raise ValueError(f"it was exported where sandboxes see other folders: {header}")
        tree = TreeWriter(open_folder("/box"), open_folder("/box/work"))
        depth = 0
        while True:
            expected = self._sum
            record = self._record()
            if "enter" in record:
                tree.enter(_name(record["enter"], parts if depth == 0 else None))
                depth += 1
            elif depth == 0:
                break
            elif "leave" in record:
                tree.leave(_attributes_of(record["leave"]))
                depth -= 1
            else:
                self._item(tree, record)
        if record.get("end") != expected:
            raise ValueError("the checksum does not match")
        if self._source.read(1):
            raise ValueError("there is data after the end")
        tree.close()

    def _item(self, tree: TreeWriter, record: dict[str, Any]) -> None:
        name = _name(record["name"])
        if "again" in record:
            if not tree.link(name, _name(record["again"])):
                raise ValueError(f"{name!r} is a hard link to a missing file")
            return
        attributes = _attributes_of(record["is"])
        if stat.S_ISREG(attributes.mode):
            parts = [(int(offset), int(size)) for offset, size in record["parts"]]
            tree.file(name, attributes, lambda fd: self._fill(fd, parts))
        else:
            tree.special(name, attributes, record["target"])
        if record["key"]:
            tree.remember(name, _name(record["key"]))

    def _fill(self, fd: int, parts: list[tuple[int, int]]) -> int:
        end = 0
        for offset, size in parts:
            end = offset + size
            os.lseek(fd, offset, os.SEEK_SET)
            for start in range(0, size, _CHUNK):
                data = memoryview(self._read(min(_CHUNK, size - start)))
                while data:
                    data = data[os.write(fd, data) :]
        return end

    def _record(self) -> dict[str, Any]:
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size))
        if length > _LARGEST:
            raise ValueError("a record is too long")
        record = json.loads(self._read(length))
        if not isinstance(record, dict):
            raise TypeError("a record is no object")
        return record

    def _read(self, size: int) -> bytes:
        data: bytes = self._source.read(size)
        if len(data) != size:
            raise ValueError("it ends early")
        self._sum = zlib.crc32(data, self._sum)
        return data


def _name(name: Any, among: dict[str, str] | None = None) -> str:
    if not isinstance(name, str) or not is_name(name):
        raise ValueError(f"{name!r} is not a valid name")
    if among is not None and name not in among:
        raise ValueError(f"there is no part {name!r}")
    return name


def _described(attributes: Attributes) -> dict[str, Any]:
    extended = attributes.extended.items()
    return {
        "mode": attributes.mode,
        "owner": attributes.owner,
        "times": attributes.times,
        "device": attributes.device,
        "size": attributes.size,
        "extended": {name: base64.b64encode(value).decode() for name, value in extended},
    }


def _attributes_of(described: dict[str, Any]) -> Attributes:
    (uid, gid), (accessed, modified) = described["owner"], described["times"]
    extended = described["extended"].items()
    return Attributes(
        mode=int(described["mode"]),
        owner=(int(uid), int(gid)),
        times=(int(accessed), int(modified)),
        device=int(described["device"]),
        size=int(described["size"]),
        extended={name: base64.b64decode(value) for name, value in extended},
    )
