"""Unpacking below a directory of the file system, while others change it."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox._shared import relative_path
from pytest_sandbox._shared.tar.disk_target import DiskTarget
from pytest_sandbox._shared.tar.reader import Reader
from pytest_sandbox._shared.tar.unpack import unpack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_sandbox._shared.tar.member import Member


class Tree(DiskTarget):
    """A directory that counts how often a directory is opened, with times as its attributes."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.steps = 0

    def step(self, name: str, folder: int, *, make: bool) -> tuple[int, bool]:
        self.steps += 1
        return super().step(name, folder, make=make)

    def attributes(self, fd: int, member: Member) -> None:
        os.utime(fd, ns=(member.mtime_ns, member.mtime_ns))


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    (tmp_path / "tree").mkdir()
    tree = Tree(tmp_path / "tree")
    yield tree
    tree.close()


def tar(*members: tuple[str, bytes, str]) -> Reader:
    """Members by name, type and target of a link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, kind, target in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mtime = kind, target, 1000
            archive.addfile(info)
    return Reader(io.BytesIO(buffer.getvalue()).read)


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [
        ("", "", 0),
        ("", "a", 0),
        ("ab", "", 0),
        ("ab", "ab", 2),
        ("ab", "abc", 2),
        ("abc", "abd", 2),
    ],
)
def test_the_names_that_two_paths_share(one: str, other: str, count: int) -> None:
    assert relative_path.shared(tuple(one), tuple(other)) == count
    assert relative_path.shared(tuple(other), tuple(one)) == count


LINKED = (("a", tarfile.REGTYPE, ""), ("b", tarfile.LNKTYPE, "a"))


def test_the_work_grows_with_the_levels_not_with_their_square(tree: Tree, tmp_path: Path) -> None:
    levels = 150
    names = ["/".join("d" * depth) for depth in range(1, levels + 1)]
    unpack(tar(*((name, tarfile.DIRTYPE, "") for name in names)), tree)
    assert tree.steps == levels
    assert {(tmp_path / "tree" / name).stat().st_mtime for name in names} == {1000}


def test_neighbours_are_reached_from_each_other(tree: Tree) -> None:
    deep = "/".join("d" * 50)
    unpack(tar(*((f"{deep}/{n}/f", tarfile.REGTYPE, "") for n in range(20))), tree)
    assert tree.steps == 50 + 20


def test_a_directory_that_was_moved_leads_nowhere_else(tree: Tree, tmp_path: Path) -> None:
    tree.enter(("a", "b", "c"), make=True)
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "tree" / "a" / "b" / "c").rename(outside / "c")
    tree.enter(("a", "b"), make=True)
    assert os.path.samestat(os.fstat(tree.folder), (tmp_path / "tree" / "a" / "b").stat())


def replacing(monkeypatch: pytest.MonkeyPatch, path: Path, times: int) -> None:
    """Have a program replace the source of a link right after the kernel has found it."""
    link, left = os.link, times

    def racing(source: str, name: str, **options: Any) -> None:
        nonlocal left
        if left > 0:
            left -= 1
            path.with_name("new").touch()
            path.with_name("new").rename(path)
            raise FileNotFoundError(2, "No such file or directory", source)
        link(source, name, **options)

    monkeypatch.setattr(os, "link", racing)


def test_a_hard_link_to_a_file_that_is_replaced_is_made(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replacing(monkeypatch, tmp_path / "tree" / "a", times=3)
    unpack(tar(*LINKED), tree)
    assert (tmp_path / "tree" / "a").samefile(tmp_path / "tree" / "b")


def test_a_hard_link_to_a_file_that_is_always_replaced_is_given_up(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replacing(monkeypatch, tmp_path / "tree" / "a", times=10**6)
    with pytest.raises(FileNotFoundError):
        unpack(tar(*LINKED), tree)


def test_a_hard_link_to_nothing_is_an_error(tree: Tree) -> None:
    with pytest.raises(FileNotFoundError):
        unpack(tar(("b", tarfile.LNKTYPE, "a")), tree)
