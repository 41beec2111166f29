"""Whole directories go into a sandbox and come back, on a real engine."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox._shared.tar.disk_source import DiskSource
from pytest_sandbox.client import Sandbox, exceptions

if TYPE_CHECKING:
    from pathlib import Path

Call = Callable[..., Any]
MIB = 1024 * 1024


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
