"""Whatever is wrong with a tar from a sandbox, its caller gets an error that is documented."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox.client.exceptions import UnsafeArchiveError
from pytest_sandbox.client.files.unpack import unpack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Numbers of a header, by where they are; those of the old sparse format too.
FIELDS = {
    "mode": (100, 108), "uid": (108, 116), "gid": (116, 124), "size": (124, 136),
    "mtime": (136, 148), "major": (329, 337), "minor": (337, 345), "sparse": (386, 398),
    "real size": (483, 495),
}  # fmt: skip
RECORDS = ("mtime", "uid", "gid", "size", "path", "linkpath", "GNU.sparse.map", "GNU.sparse.name")
WORDS = (b"nan", b"inf", b"-1", b"1e9", b"9" * 20, b"-9223372036854775809.5", b"..", b"\0", b"/x")


def tar(layout: int) -> bytearray:
    """A tar with a member of each kind."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=layout) as file:
        for name, kind, data, target in (
            ("d", tarfile.DIRTYPE, b"", ""),
            ("d/f", tarfile.REGTYPE, b"x" * 700, ""),
            ("d/l", tarfile.SYMTYPE, b"", "f"),
            ("d/h", tarfile.LNKTYPE, b"", "d/f"),
            ("d/p", tarfile.FIFOTYPE, b"", ""),
            ("d/s", tarfile.GNUTYPE_SPARSE, b"", ""),
            ("d/c", tarfile.CHRTYPE, b"", ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname, info.mtime = kind, len(data), target, 12345
            file.addfile(info, io.BytesIO(data))
    return bytearray(buffer.getvalue())


def headers(data: bytearray) -> list[int]:
    return [
        start for start in range(0, len(data), 512) if data[start + 257 : start + 262] == b"ustar"
    ]


def signed(data: bytearray, start: int) -> bytes:
    """The tar, with the right checksum in a header."""
    data[start + 148 : start + 156] = b" " * 8
    data[start + 148 : start + 156] = b"%06o\0 " % sum(data[start : start + 512])
    return bytes(data)


def with_numbers(layout: int) -> Iterator[bytes]:
    """Each number of each header at its ends, in the octal and in the binary form."""
    for start in headers(tar(layout)):
        for begin, end in FIELDS.values():
            size = end - begin
            for value in (
                b"\xff" * size,
                b"\x80" + b"\x7f" * (size - 1),
                b"\x80\x7f" + b"\xff" * (size - 2),
                b"\xff" + b"\0" * (size - 1),
                b"\x80" + b"\0" * (size - 1),
                b"7" * size,
                b"-" * size,
                b"8" * size,
            ):
                data = tar(layout)
                data[start + begin : start + end] = value
                yield signed(data, start)


def with_records(layout: int) -> Iterator[bytes]:
    """Each member behind an extended header, for it or for all, with a record of nonsense."""
    for start in headers(tar(layout)):
        for key in RECORDS:
            for word in WORDS:
                for kind in (tarfile.XHDTYPE, tarfile.XGLTYPE):
                    body = key.encode() + b"=" + word + b"\n"
                    record = b"%03d " % (len(body) + 4) + body
                    info = tarfile.TarInfo("x")
                    info.type, info.size = kind, len(record)
                    data = tar(layout)
                    data[start:start] = info.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0")
                    yield bytes(data)


@pytest.mark.parametrize("layout", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=["gnu", "pax"])
@pytest.mark.parametrize("mutated", [with_numbers, with_records])
def test_a_mutated_tar_ends_in_a_documented_error(
    mutated: object, layout: int, tmp_path: Path
) -> None:
    seen = unnamed = 0
    for number, data in enumerate(mutated(layout)):  # type: ignore[operator]
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            unpack(io.BytesIO(data), str(folder), outside_links=False)
        except UnsafeArchiveError:
            seen += 1
        except OSError as error:
            unnamed += not error.filename
    assert seen > 100
    assert unnamed == 0  # the others name their member


def test_a_hard_link_to_nothing_is_named(tmp_path: Path) -> None:
    for target in ("none", "none/f"):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as file:
            info = tarfile.TarInfo("h")
            info.type, info.linkname = tarfile.LNKTYPE, target
            file.addfile(info)
        buffer.seek(0)
        with pytest.raises(UnsafeArchiveError, match=rf"'h' is a hard link to '{target}'"):
            unpack(buffer, str(tmp_path), outside_links=False)
