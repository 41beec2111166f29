"""Layers of images, made for tests."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

from pytest_sandbox._shared.tar import header, pax
from pytest_sandbox._shared.tar.header import padding
from pytest_sandbox._shared.tar.member import BLOCK
from pytest_sandbox._shared.tar.writer import END
from pytest_sandbox.engine import OciImage
from pytest_sandbox.images import LayerBlob

BUSYBOX = Path("/bin/busybox")


@dataclass
class Entry:
    """A member of a layer; the records are those of a pax header."""

    name: str
    data: bytes = b""
    kind: bytes = b"0"
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int = 1000
    target: str = ""
    device: tuple[int, int] = (0, 0)
    records: dict[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        names = {"path": self.name, "linkpath": self.target}
        longer = {key: text for key, text in names.items() if len(text) > 100}
        payload = pax.encode({**self.records, **longer}.items())
        extended = header.encode(b"pax", b"x", size=len(payload)) + _padded(payload)
        block = header.encode(
            self.name.encode("utf-8", "surrogateescape"),
            self.kind,
            mode=self.mode,
            uid=self.uid,
            gid=self.gid,
            size=len(self.data),
            mtime=self.mtime,
            target=self.target.encode(),
            device=self.device,
        )
        assert len(block) == BLOCK
        return (extended if payload else b"") + block + _padded(self.data)


def file(name: str, data: bytes = b"", mode: int = 0o644, **more: int) -> Entry:
    return Entry(name, data, mode=mode, **more)  # type: ignore[arg-type]


def folder(name: str, mode: int = 0o755, **more: int) -> Entry:
    return Entry(name, kind=b"5", mode=mode, **more)  # type: ignore[arg-type]


def link(name: str, target: str) -> Entry:
    return Entry(name, kind=b"2", target=target)


def hard_link(name: str, target: str) -> Entry:
    return Entry(name, kind=b"1", target=target)


def removed(name: str) -> Entry:
    above, slash, last = name.rpartition("/")
    return Entry(f"{above}{slash}.wh.{last}")


def emptied(name: str) -> Entry:
    return Entry(f"{name}/.wh..wh..opq")


def tar(*entries: Entry) -> bytes:
    return b"".join(entry.encoded() for entry in entries) + END


def blob(folder: Path, data: bytes, packed: bytes | None = None) -> LayerBlob:
    """A layer in a file, compressed with gzip unless it is given as it is."""
    stored = gzip.compress(data, 1) if packed is None else packed
    path = folder / token_hex(8)
    path.write_bytes(stored)
    return LayerBlob(digest(stored), digest(data), len(stored), "", path)


def image(*layers: LayerBlob) -> OciImage:
    return OciImage("made", digest("".join(each.diff_id for each in layers).encode()), layers)


def busybox(*more: Entry) -> bytes:
    """A layer with one program, which links to nothing, and nothing else."""
    return tar(file("busybox", BUSYBOX.read_bytes(), 0o755), *more)


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _padded(data: bytes) -> bytes:
    return data + bytes(padding(len(data)))
