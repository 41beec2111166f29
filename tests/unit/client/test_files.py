"""Files of a sandbox on a real engine, by both of Modal's interfaces, and whole directories."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import stat
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox._shared.tar.disk_source import DiskSource
from pytest_sandbox.client import (
    Client,
    FileType,
    FileWatchEvent,
    FileWatchEventType,
    Sandbox,
    delete_bytes,
    exceptions,
    replace_bytes,
)

if TYPE_CHECKING:
    from pathlib import Path

Call = Callable[..., Any]
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def machine(client: Client) -> Iterator[Sandbox]:
    sandbox = Sandbox.create(client=client)
    yield sandbox
    sandbox.terminate()


@pytest.fixture
def sandbox(machine: Sandbox) -> Iterator[Sandbox]:
    """A sandbox in which `/srv/t` is an empty directory."""
    machine.filesystem.make_directory("/srv/t")
    yield machine
    machine.filesystem.remove("/srv/t", recursive=True)


# The filesystem


@pytest.mark.parametrize("data", [b"", b"\0\xff", bytes(range(256)) * 4 * 1024 * 3])
def test_bytes_come_back(sandbox: Sandbox, call: Call, data: bytes) -> None:
    call(sandbox.filesystem.write_bytes, data, "/srv/t/a/b/file")

    assert call(sandbox.filesystem.read_bytes, "/srv/t/a/b/file") == data


def test_a_write_keeps_the_mode_and_the_owner_of_what_it_replaces(sandbox: Sandbox) -> None:
    sandbox.run("sh", "-c", "cd /srv/t; echo old > f; chmod 4750 f", check=True)

    sandbox.filesystem.write_text("new", "/srv/t/f")

    stated = sandbox.run("stat", "-c", "%a %U", "/srv/t/f", check=True)
    assert (stated.stdout, sandbox.filesystem.read_text("/srv/t/f")) == ("4750 root\n", "new")


def test_writers_of_one_file_leave_it_whole_for_a_reader(sandbox: Sandbox) -> None:
    contents = ["a" * 100_000, "b" * 100_000]
    sandbox.filesystem.write_text(contents[0], "/srv/t/f")
    whole = "test $(wc -c < /srv/t/f) = 100000"
    reader = sandbox.exec("sh", "-c", f"until test -e /srv/t/end; do {whole} || exit; done")

    async def write() -> None:
        for _ in range(20):
            await asyncio.gather(
                *(sandbox.filesystem.write_text.aio(text, "/srv/t/f") for text in contents)
            )

    asyncio.run(write())

    assert sandbox.filesystem.read_text("/srv/t/f") in contents
    assert [entry.name for entry in sandbox.filesystem.list_files("/srv/t")] == ["f"]
    sandbox.filesystem.write_text("", "/srv/t/end")
    assert (reader.wait(), reader.stderr.read()) == (0, "")


def test_text_comes_back(sandbox: Sandbox, call: Call) -> None:
    call(sandbox.filesystem.write_text, "é€🎉\r\n", "/srv/t/file")

    assert call(sandbox.filesystem.read_text, "/srv/t/file") == "é€🎉\r\n"
    assert sandbox.run("cat", "/srv/t/file").stdout == "é€🎉\r\n"


def test_a_file_is_replaced(sandbox: Sandbox) -> None:
    sandbox.filesystem.write_text("long before", "/srv/t/file")
    sandbox.filesystem.write_text("new", "/srv/t/file")

    assert sandbox.filesystem.read_text("/srv/t/file") == "new"


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_all_kinds_of_bytes_are_written(sandbox: Sandbox, kind: Any) -> None:
    sandbox.filesystem.write_bytes(kind(b"data"), "/srv/t/file")

    assert sandbox.filesystem.read_bytes("/srv/t/file") == b"data"


def test_text_that_is_not_utf8_is_an_error(sandbox: Sandbox, call: Call) -> None:
    sandbox.filesystem.write_bytes(b"\xff", "/srv/t/file")

    with pytest.raises(UnicodeDecodeError):
        call(sandbox.filesystem.read_text, "/srv/t/file")


def test_files_are_listed_and_described(sandbox: Sandbox, call: Call) -> None:
    sandbox.run(
        *("sh", "-c", "cd /srv/t; printf 12345 > f; mkdir d; ln -s nowhere l; chmod 4755 f"),
        check=True,
    )

    directory, file, link = call(sandbox.filesystem.list_files, "/srv/t")

    assert [each.name for each in (directory, file, link)] == ["d", "f", "l"]
    assert (directory.type, directory.path) == (FileType.DIRECTORY, "/srv/t/d")
    assert (file.type, file.size, file.permissions) == (FileType.FILE, 5, "4755")
    assert file.mode == stat.S_IFREG | 0o4755
    assert (file.owner, file.group, file.symlink_target) == ("root", "root", None)
    assert (link.type, link.symlink_target) == (FileType.SYMLINK, "nowhere")
    assert call(sandbox.filesystem.stat, "/srv/t/f") == file


def test_directories_are_made_and_removed(sandbox: Sandbox, call: Call) -> None:
    files = sandbox.filesystem
    call(files.make_directory, "/srv/t/a/b")
    call(files.make_directory, "/srv/t/a/b")
    with pytest.raises(exceptions.SandboxFilesystemPathAlreadyExistsError):
        call(files.make_directory, "/srv/t/a/b", create_parents=False)
    with pytest.raises(exceptions.SandboxFilesystemNotFoundError):
        call(files.make_directory, "/srv/t/x/y", create_parents=False)
    with pytest.raises(exceptions.SandboxFilesystemDirectoryNotEmptyError):
        call(files.remove, "/srv/t/a")

    call(files.remove, "/srv/t/a", recursive=True)

    assert files.list_files("/srv/t") == []


def test_removing_a_link_leaves_its_target(sandbox: Sandbox) -> None:
    sandbox.run("sh", "-c", "cd /srv/t; mkdir d; touch d/f; ln -s d l", check=True)

    sandbox.filesystem.remove("/srv/t/l", recursive=True)

    assert [each.name for each in sandbox.filesystem.list_files("/srv/t/d")] == ["f"]


FAILURES: list[tuple[str, tuple[Any, ...], type[Exception]]] = [
    ("read_text", ("/srv/t/none",), exceptions.SandboxFilesystemNotFoundError),
    ("read_text", ("/srv/t",), exceptions.SandboxFilesystemIsADirectoryError),
    ("read_text", ("/etc/hosts/x",), exceptions.SandboxFilesystemNotADirectoryError),
    ("write_text", ("x", "/srv/t"), exceptions.SandboxFilesystemIsADirectoryError),
    ("write_text", ("x", "/srv/t/f/x"), exceptions.SandboxFilesystemNotADirectoryError),
    ("write_text", ("x", "/proc/x"), exceptions.SandboxFilesystemError),
    ("list_files", ("/srv/t/none",), exceptions.SandboxFilesystemNotFoundError),
    ("list_files", ("/srv/t/f",), exceptions.SandboxFilesystemNotADirectoryError),
    ("stat", ("/srv/t/none",), exceptions.SandboxFilesystemNotFoundError),
    ("stat", ("/srv/t/f/x",), exceptions.SandboxFilesystemNotADirectoryError),
    ("remove", ("/srv/t/none",), exceptions.SandboxFilesystemNotFoundError),
    ("make_directory", ("/srv/t/f/x",), exceptions.SandboxFilesystemNotADirectoryError),
    ("make_directory", ("/srv/t/f",), exceptions.SandboxFilesystemPathAlreadyExistsError),
]


@pytest.mark.parametrize(("name", "args", "kind"), FAILURES)
def test_failures_have_their_kind_and_tell_the_path(
    sandbox: Sandbox, call: Call, name: str, args: tuple[Any, ...], kind: type[Exception]
) -> None:
    sandbox.filesystem.write_text("x", "/srv/t/f")

    with pytest.raises(kind, match=args[-1]) as raised:
        call(getattr(sandbox.filesystem, name), *args)

    assert isinstance(raised.value, exceptions.SandboxFilesystemError)


def test_much_that_cannot_be_written_fails_early(sandbox: Sandbox) -> None:
    with pytest.raises(exceptions.SandboxFilesystemIsADirectoryError):
        sandbox.filesystem.write_bytes(b"x" * 20 * MIB, "/srv/t")


def test_a_file_is_copied_in_and_out(sandbox: Sandbox, call: Call, tmp_path: Path) -> None:
    data = bytes(range(256)) * 4 * 1024 * 3
    (tmp_path / "here").write_bytes(data)

    call(sandbox.filesystem.copy_from_local, tmp_path / "here", "/srv/t/there")
    call(sandbox.filesystem.copy_to_local, "/srv/t/there", tmp_path / "new" / "back")

    assert (tmp_path / "new" / "back").read_bytes() == data
    assert os.listdir(tmp_path / "new") == ["back"]


def test_a_copy_that_fails_leaves_what_was_there(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")

    with pytest.raises(exceptions.SandboxFilesystemNotFoundError):
        sandbox.filesystem.copy_to_local("/srv/t/none", tmp_path / "kept")

    assert (tmp_path / "kept").read_text() == "kept"
    assert os.listdir(tmp_path) == ["kept"]


def test_copies_fail_here_as_the_builtin_does(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.filesystem.write_text("x", "/srv/t/f")

    with pytest.raises(FileNotFoundError, match="none"):
        sandbox.filesystem.copy_from_local(tmp_path / "none", "/srv/t/x")
    with pytest.raises(IsADirectoryError):
        sandbox.filesystem.copy_to_local("/srv/t/f", tmp_path)


# Watching


def created(events: Any) -> FileWatchEvent:
    """The first creation that is told."""
    event: FileWatchEvent = next(
        event for event in events if event.type is FileWatchEventType.Create
    )
    events.close()
    return event


class Toucher:
    """Makes new files until it is told to stop: when a watch is in place nobody can tell."""

    def __init__(self, sandbox: Sandbox, folder: str) -> None:
        self._sandbox = sandbox
        self._folder = folder
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            self._sandbox.filesystem.write_text("x", f"{self._folder}/{number}")


def test_changes_are_told(sandbox: Sandbox) -> None:
    for watch in (sandbox.watch, sandbox.filesystem.watch):
        with Toucher(sandbox, "/srv/t"):
            event = created(watch("/srv/t", timeout=30))
        assert event.paths[0].startswith("/srv/t/")


def test_changes_below_are_told_if_asked_for(sandbox: Sandbox) -> None:
    sandbox.filesystem.make_directory("/srv/t/a/b")
    for watch in (sandbox.watch, sandbox.filesystem.watch):
        with Toucher(sandbox, "/srv/t/a/b"):
            event = created(watch("/srv/t", recursive=True, timeout=30))
        assert event.paths[0].startswith("/srv/t/a/b/")


def test_only_changes_of_the_wanted_kind_are_told(sandbox: Sandbox) -> None:
    wanted = [FileWatchEventType.Modify]
    for watch in (sandbox.watch, sandbox.filesystem.watch):
        with Toucher(sandbox, "/srv/t"):
            events = watch("/srv/t", filter=wanted, timeout=30)
            assert next(events).type is FileWatchEventType.Modify
            events.close()


def test_a_watch_ends_when_its_time_is_up(
    sandbox: Sandbox, items: Callable[..., list[FileWatchEvent]]
) -> None:
    assert items(sandbox.watch, "/srv/t", timeout=1) == []
    assert items(sandbox.filesystem.watch, "/srv/t", timeout=0) == []


def test_what_is_not_there_cannot_be_watched(sandbox: Sandbox, items: Call) -> None:
    with pytest.raises(FileNotFoundError):
        items(sandbox.watch, "/srv/t/none", timeout=1)
    with pytest.raises(exceptions.SandboxFilesystemNotFoundError):
        items(sandbox.filesystem.watch, "/srv/t/none", timeout=1)


# Files that are open


def test_a_file_is_written_and_read(sandbox: Sandbox, call: Call) -> None:
    file = call(sandbox.open, "/srv/t/f", "w")
    call(file.write, "one\ntwö\n")
    call(file.flush)
    assert sandbox.run("cat", "/srv/t/f").stdout == "one\ntwö\n"
    call(file.write, "three")
    call(file.close)

    file = call(sandbox.open, "/srv/t/f")
    assert call(file.readline) == "one\n"
    assert call(file.read, 2) == "tw"
    assert call(file.readlines) == ["ö\n", "three"]
    assert call(file.read) == call(file.readline) == ""
    call(file.seek, 4)
    assert call(file.read) == "twö\nthree"
    call(file.close)
    call(file.close)


def test_a_file_closes_at_the_end_of_a_with(sandbox: Sandbox) -> None:
    with sandbox.open("/srv/t/f", "wb") as file:
        file.write(b"\xff")
    with pytest.raises(ValueError, match="closed"):
        file.write(b"x")

    async def read() -> bytes:
        async with await sandbox.open.aio("/srv/t/f", "rb") as file:
            return await file.read.aio()

    assert asyncio.run(read()) == b"\xff"


@pytest.mark.parametrize(
    ("mode", "before", "after"),
    [
        ("r+", "before", "newore"),
        ("w", "before", "new"),
        ("w+", "before", "new"),
        ("a", "before", "beforenew"),
        ("a+", "before", "beforenew"),
        ("x", None, "new"),
        ("x+", None, "new"),
        ("w", None, "new"),
        ("a", None, "new"),
    ],
)
def test_modes_write_as_the_builtin_does(
    sandbox: Sandbox, mode: Any, before: str | None, after: str
) -> None:
    if before is not None:
        sandbox.filesystem.write_text(before, "/srv/t/f")

    with sandbox.open("/srv/t/f", mode) as file:
        file.write("new")

    assert sandbox.filesystem.read_text("/srv/t/f") == after


@pytest.mark.parametrize(
    ("mode", "path", "kind"),
    [
        ("r", "/srv/t/none", FileNotFoundError),
        ("r+", "/srv/t/none", FileNotFoundError),
        ("r", "/srv/t", IsADirectoryError),
        ("w", "/srv/t", IsADirectoryError),
        ("w", "/srv/t/none/f", FileNotFoundError),
        ("x", "/srv/t/f", FileExistsError),
        ("r", "/srv/t/f/x", NotADirectoryError),
    ],
)
def test_opening_fails_as_the_builtin_does(
    sandbox: Sandbox, call: Call, mode: Any, path: str, kind: type[Exception]
) -> None:
    sandbox.filesystem.write_text("x", "/srv/t/f")

    with pytest.raises(kind):
        call(sandbox.open, path, mode)


def test_a_mode_allows_what_it_says(sandbox: Sandbox) -> None:
    with sandbox.open("/srv/t/f", "w") as file:
        with pytest.raises(io.UnsupportedOperation, match="not readable"):
            file.read()
        with pytest.raises(TypeError, match="open as text"):
            file.write(b"x")  # type: ignore[arg-type]
    with (
        sandbox.open("/srv/t/f", "rb") as data,
        pytest.raises(io.UnsupportedOperation, match="not writeable"),
    ):
        data.write(b"x")


@pytest.mark.parametrize(
    ("start", "end", "left"), [(1, 3, "033"), (None, 2, "233"), (2, None, "01"), (None, None, "")]
)
def test_bytes_are_cut_out(
    sandbox: Sandbox, call: Call, start: int | None, end: int | None, left: str
) -> None:
    sandbox.filesystem.write_text("01233", "/srv/t/f")
    with sandbox.open("/srv/t/f", "r+b") as file:
        call(delete_bytes, file, start, end)

    assert sandbox.filesystem.read_text("/srv/t/f") == left


def test_bytes_are_replaced(sandbox: Sandbox, call: Call) -> None:
    sandbox.filesystem.write_text("0123", "/srv/t/f")
    with sandbox.open("/srv/t/f", "r+b") as file:
        call(replace_bytes, file, b"longer", 1, 2)

    assert sandbox.filesystem.read_text("/srv/t/f") == "0longer23"


def test_ranges_have_an_order(sandbox: Sandbox) -> None:
    with sandbox.open("/srv/t/f", "wb") as file:
        with pytest.raises(ValueError, match="start=3 is not before end=3"):
            delete_bytes(file, 3, 3)
        with pytest.raises(exceptions.InvalidError, match="start=3 is not before end=3"):
            replace_bytes(file, b"", 3, 3)
        with pytest.raises(ValueError, match="whence"):
            file.seek(0, 3)
        with pytest.raises(ValueError, match="32 bits"):
            file.seek(2**31)


def test_seeking_from_anywhere(sandbox: Sandbox, call: Call) -> None:
    sandbox.filesystem.write_text("0123456789", "/srv/t/f")
    with sandbox.open("/srv/t/f", "rb") as file:
        call(file.seek, -3, 2)
        assert call(file.read, 1) == b"7"
        call(file.seek, -2, 1)
        assert call(file.read) == b"6789"


def test_ls_mkdir_and_rm(sandbox: Sandbox, call: Call) -> None:
    call(sandbox.mkdir, "/srv/t/a/b", parents=True)
    sandbox.filesystem.write_text("x", "/srv/t/f")

    assert call(sandbox.ls, "/srv/t") == ["a", "f"]
    with pytest.raises(FileExistsError):
        call(sandbox.mkdir, "/srv/t/a")
    with pytest.raises(FileNotFoundError):
        call(sandbox.mkdir, "/srv/t/x/y")
    with pytest.raises(FileNotFoundError):
        call(sandbox.rm, "/srv/t/none")
    with pytest.raises(NotADirectoryError):
        call(sandbox.ls, "/srv/t/f")

    call(sandbox.rm, "/srv/t/f")
    call(sandbox.rm, "/srv/t/a", recursive=True)

    assert call(sandbox.ls, "/srv/t") == []


# Whole directories


def test_a_directory_goes_in_and_comes_back(sandbox: Sandbox, call: Call, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "a").mkdir(parents=True)
    (tree / "a" / "run").write_text("#!/bin/sh\necho ran\n")
    (tree / "a" / "run").chmod(0o755)
    (tree / "link").symlink_to("a/run")
    (tree / "é").write_text("x" * 3 * MIB)
    with (tree / "holes").open("wb") as file:
        file.truncate(64 * MIB)
    os.utime(tree / "a", ns=(10**18 + 7, 10**18 + 7))

    call(sandbox.upload, tree, "/srv/t/new/tree")
    assert sandbox.run("/srv/t/new/tree/link", check=True).stdout == "ran\n"
    assert int(sandbox.run("du", "-k", "/srv/t/new/tree/holes").stdout.split()[0]) < 1024
    call(sandbox.download, "/srv/t/new/tree", tmp_path / "back")

    back = tmp_path / "back"
    assert sorted(path.name for path in back.rglob("*")) == ["a", "holes", "link", "run", "é"]
    assert os.readlink(back / "link") == "a/run"
    assert stat.S_IMODE((back / "a" / "run").stat().st_mode) == 0o755
    assert (back / "a").stat().st_mtime_ns == 10**18 + 7
    assert (back / "é").read_text() == "x" * 3 * MIB
    assert (back / "holes").stat().st_size == 64 * MIB


def test_links_that_lead_out_are_refused(sandbox: Sandbox, call: Call, tmp_path: Path) -> None:
    sandbox.run("ln", "-s", "/etc/passwd", "/srv/t/l", check=True)

    with pytest.raises(exceptions.UnsafeArchiveError, match="leads out"):
        call(sandbox.download, "/srv/t", tmp_path / "one")
    call(sandbox.download, "/srv/t", tmp_path / "two", outside_links=True)

    assert os.readlink(tmp_path / "two" / "l") == "/etc/passwd"


def test_a_directory_that_is_not_there_cannot_be_downloaded(
    sandbox: Sandbox, call: Call, tmp_path: Path
) -> None:
    with pytest.raises(exceptions.SandboxFilesystemNotFoundError, match="/srv/t/none"):
        call(sandbox.download, "/srv/t/none", tmp_path / "x")
    sandbox.filesystem.write_text("x", "/srv/t/f")
    with pytest.raises(exceptions.SandboxFilesystemNotADirectoryError, match="/srv/t/f"):
        call(sandbox.download, "/srv/t/f", tmp_path / "x")
    with pytest.raises(exceptions.SandboxFilesystemNotADirectoryError, match="/srv/t/f"):
        call(sandbox.upload, tmp_path, "/srv/t/f")


def test_an_upload_leaves_directories_that_exist_as_they_are(
    sandbox: Sandbox, call: Call, tmp_path: Path
) -> None:
    (tmp_path / "old" / "new").mkdir(parents=True)
    tmp_path.chmod(0o700)
    (tmp_path / "old").chmod(0o711)
    (tmp_path / "old" / "new").chmod(0o750)
    sandbox.run("sh", "-c", "cd /srv/t; chmod 1777 .; mkdir -m 2755 old", check=True)

    call(sandbox.upload, tmp_path, "/srv/t")

    modes = sandbox.run("stat", "-c", "%a", "/srv/t", "/srv/t/old", "/srv/t/old/new", check=True)
    assert modes.stdout.split() == ["1777", "2755", "750"]


def test_a_download_leaves_directories_that_exist_as_they_are(
    sandbox: Sandbox, call: Call, tmp_path: Path
) -> None:
    sandbox.run("sh", "-c", "cd /srv/t; mkdir -p -m 755 old new", check=True)
    (tmp_path / "old").mkdir()
    (tmp_path / "old").chmod(0o700)

    call(sandbox.download, "/srv/t", tmp_path)

    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("old", "new")]
    assert modes == [0o700, 0o755]


def test_an_upload_that_fails_here_leaves_nothing_waiting(
    sandbox: Sandbox, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: DiskSource, path: str, *rest: object) -> None:
        raise PermissionError(errno.EACCES, "not yours", path)

    monkeypatch.setattr(DiskSource, "member", refuse)

    with pytest.raises(PermissionError, match="not yours"):
        call(sandbox.upload, tmp_path, "/srv/t")

    assert sandbox.run("echo", "hi").stdout == "hi\n"


def test_pipes_are_left_out_of_a_copy_in_either_direction(
    sandbox: Sandbox, call: Call, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("content")
    os.mkfifo(tmp_path / "pipe")

    there = f"/srv/{tmp_path.name}"

    call(sandbox.upload, tmp_path, there)
    assert sandbox.ls(there) == ["file"]
    sandbox.run("mkfifo", f"{there}/other", check=True)
    call(sandbox.download, there, tmp_path / "back")

    assert os.listdir(tmp_path / "back") == ["file"]


def test_set_id_bits_survive_both_ways_if_they_are_asked_for(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "program").touch()
    (tmp_path / "program").chmod(0o4755)
    sandbox.upload(tmp_path, "/srv/set id")
    assert sandbox.run("stat", "-c", "%a", "/srv/set id/program").stdout == "4755\n"

    sandbox.download("/srv/set id", tmp_path / "asked", set_id_bits=True)
    sandbox.download("/srv/set id", tmp_path / "not asked")

    assert (tmp_path / "asked" / "program").stat().st_mode & 0o7777 == 0o4755
    assert (tmp_path / "not asked" / "program").stat().st_mode & 0o7777 == 0o755
