"""`Sandbox.filesystem`, on a real engine."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox.client import FileType, Sandbox, exceptions

if TYPE_CHECKING:
    from pathlib import Path

Call = Callable[..., Any]
MIB = 1024 * 1024


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
