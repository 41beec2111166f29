"""Whatever is wrong with a tar from a sandbox, its caller gets an error that is documented."""

from __future__ import annotations

import io
import os
import subprocess
import sys
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


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_long_target_is_cut_in_the_error(tmp_path: Path, kind: bytes) -> None:
    """It may have megabytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        info = tarfile.TarInfo("link")
        info.type = kind
        info.linkname = "../" * 20_000 if kind == tarfile.SYMTYPE else "none/" * 10_000
        file.addfile(info)
    buffer.seek(0)

    with pytest.raises(UnsafeArchiveError) as caught:
        unpack(buffer, str(tmp_path), outside_links=False)

    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(("name", "target"), [("ä", ""), ("link", "ä")])
def test_a_name_that_the_locale_lacks_is_refused(tmp_path: Path, name: str, target: str) -> None:
    with tarfile.open(tmp_path / "tar", mode="w") as file:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = tarfile.SYMTYPE if target else tarfile.REGTYPE, target
        file.addfile(info)
    code = (
        "import sys\n"
        "from pytest_sandbox.client.exceptions import UnsafeArchiveError\n"
        "from pytest_sandbox.client.files.unpack import unpack\n"
        "try: unpack(open('tar', 'rb'), '.', outside_links=False)\n"
        "except UnsafeArchiveError as error: print(ascii(str(error)))\n"
    )
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

    done = subprocess.run(
        (sys.executable, "-c", code),
        env={**os.environ, **ascii_only},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "has no form in ascii" in done.stdout
    assert os.listdir(tmp_path) == ["tar"]


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
