"""Directories in and out: what GNU tar writes and reads, and what it would not do."""

import asyncio
import io
import os
import subprocess
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pytest_sandbox.engine import Task, WatchEvent, WatchKind

from .conftest import Sh

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEBIBYTE = 2**20


async def chunks(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 10_000):
        yield data[start : start + 10_000]


async def packed(task: Task, path: str) -> bytes:
    return b"".join([chunk async for chunk in task.files.pack(path)])


def tar(folder: Path, *options: str) -> bytes:
    """What GNU tar makes of a folder."""
    command = ["tar", "-C", str(folder), *options, "-cf", "-", "."]
    return subprocess.run(command, capture_output=True, check=True).stdout


def untar(data: bytes, folder: Path) -> None:
    """What GNU tar makes of an archive."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["tar", "-C", str(folder), "-xf", "-"], input=data, check=True)


async def test_gnu_tar_reads_what_we_pack(task: Task, sh: Sh, tmp_path: Path) -> None:
    await sh(
        "mkdir -p /t/d/e && cd /t && echo data > d/f && chmod 4751 d/f && ln d/f hard"
        " && ln -s d/f l"
        " && mkfifo p && printf x > $(printf '\\377')"
        " && truncate -s 10M hole && echo end >> hole"
        " && touch -d '2001-02-03 04:05:06.123456789' d/f"
    )
    data = await packed(task, "/t")
    assert len(data) < MEBIBYTE
    untar(data, tmp_path / "out")
    out = tmp_path / "out"
    assert (out / "d/f").read_text() == "data\n"
    assert (out / "d/f").stat().st_mode & 0o777 == 0o751
    assert (out / "d/f").stat().st_mtime_ns == 981173106123456789
    assert (out / "d/f").stat().st_ino == (out / "hard").stat().st_ino
    assert os.readlink(out / "l") == "d/f"
    assert (out / "p").is_fifo()
    assert (out / "hole").stat().st_size == 10 * MEBIBYTE + 4
    assert (out / "hole").stat().st_blocks * 512 < MEBIBYTE
    assert (out / "hole").read_bytes().rstrip(b"\n").endswith(b"\0end")
    assert b"\xff" in os.listdir(os.fsencode(out))


@pytest.mark.parametrize("style", [("--format=gnu",), ("--format=posix",), ("--format=ustar",)])
async def test_we_unpack_what_gnu_tar_writes(
    task: Task, sh: Sh, tmp_path: Path, style: tuple[str, ...]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "d").mkdir(mode=0o750)
    (folder / "d" / "f").write_text("data\n")
    os.utime(folder / "d" / "f", ns=(981173106123456789, 981173106123456789))
    (folder / "d" / ("n" * 90)).mkdir()
    (folder / "d" / ("n" * 90) / "x").write_text("deep\n")
    os.link(folder / "d" / "f", folder / "hard")
    os.symlink("/nowhere", folder / "l")
    sparse = style if style == ("--format=ustar",) else (*style, "--sparse")
    with (folder / "hole").open("wb") as file:
        file.seek(5 * MEBIBYTE)
        file.write(b"end")
    await task.files.unpack("/u", chunks(tar(folder, *sparse)))
    done = await sh(
        "cd /u && cat d/f d/n*/x && readlink l && stat -c %a d && stat -c %h d/f && stat -c %s hole"
        " && tail -c 3 hole && stat -c ' %Y' d/f && rm -r /u"
    )
    assert done.out.split() == [
        *("data", "deep", "/nowhere", "750", "2", str(5 * MEBIBYTE + 3), "end", "981173106")
    ], done.err


async def test_times_are_kept_to_the_nanosecond_and_owners_by_number(task: Task, sh: Sh) -> None:
    await sh("mkdir /t && cd /t && echo x > f && touch -d @1234567890.123456789 f")
    owned = (await sh("chown 33:34 /t/f")).code == 0
    await task.files.unpack("/u", chunks(await packed(task, "/t")))
    entry = await task.files.stat("/u/f")
    assert entry.mtime_ns == 1234567890123456789
    assert (entry.uid, entry.gid) == ((33, 34) if owned else (0, 0))


async def test_an_owner_without_an_id_inside_is_left_to_root(task: Task) -> None:
    member = tarfile.TarInfo("f")
    member.uid = member.gid = 4_000_000
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(member)
    await task.files.unpack("/u", chunks(out.getvalue()))
    assert (await task.files.stat("/u/f")).uid == 0


async def test_half_an_archive_is_an_error_and_what_came_is_there(task: Task, sh: Sh) -> None:
    await sh("mkdir /t && echo first > /t/a && head -c 100000 /dev/zero > /t/b")
    data = await packed(task, "/t")
    with pytest.raises(OSError, match="tar stream"):
        await task.files.unpack("/u", chunks(data[: len(data) // 2]))
    assert (await sh("cat /u/a")).out == "first\n"


async def test_links_below_the_directory_are_not_followed(task: Task, sh: Sh) -> None:
    await sh("mkdir -p /u /elsewhere && ln -s /elsewhere /u/d && mkdir -p /t/d && echo x > /t/d/f")
    with pytest.raises(NotADirectoryError):
        await task.files.unpack("/u", chunks(await packed(task, "/t")))
    assert (await sh("ls -A /elsewhere")).out == ""


async def test_removing_does_not_follow_links(task: Task, sh: Sh) -> None:
    await sh(
        "mkdir -p /keep/d /t/x/y && echo x > /keep/d/f && ln -s /keep /t/x/y/l && ln -s /keep /l"
    )
    await task.files.remove("/t", recursive=True)
    await task.files.remove("/l", recursive=True)
    assert (await sh("ls -d /t /l 2>/dev/null; cat /keep/d/f")).out == "x\n"


async def test_a_watch_tells_of_directories_made_later_and_both_names_of_a_rename(
    task: Task, sh: Sh
) -> None:
    await sh("mkdir /w")
    watch = task.files.watch("/w", recursive=True)
    first = anext(watch)
    # From the moment of the request; what runs next is asked for on the same socket.

    pending = asyncio.ensure_future(first)
    await asyncio.sleep(0)
    await sh(
        "mkdir -p /w/a/b && echo x > /w/a/b/f && mv /w/a /w/z && echo y > /w/z/b/g && touch /w/end"
    )
    events: list[WatchEvent] = [await pending]
    while events[-1].paths != ("/w/end",):
        events.append(await anext(watch))
    assert WatchEvent(WatchKind.CREATE, ("/w/a",)) in events
    assert WatchEvent(WatchKind.RENAME, ("/w/a", "/w/z")) in events
    assert WatchEvent(WatchKind.CREATE, ("/w/z/b/g",)) in events
    await watch.aclose()  # type: ignore[attr-defined]
