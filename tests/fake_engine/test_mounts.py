"""Copies of trees of mounts, and what is closed with them."""

import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_sandbox.fakes.files.disk import Disk
from pytest_sandbox.fakes.files.mounts import TOP
from pytest_sandbox.fakes.files.trees import copied, put
from pytest_sandbox.fakes.files.vfs import Filesystem

from .test_vfs_against_kernel import Memory, Operation, mounting

Tree = dict[str, list[Any]]


def after(steps: list[Operation]) -> Memory:
    memory = Memory()
    for step in [("mkdir", "a", 0o755), ("mount", "a", False), *steps, ("chdir", "/")]:
        memory(*step)
    return memory


def tree(fs: Filesystem) -> Tree:
    memory = Memory()
    memory._fs = fs
    return memory.do_tree()


def without_links(found: Tree) -> Tree:
    """Without numbers of names: some of a file may be hidden below a mount."""
    return {
        path: [*what[:4], *what[5:]] if what[0] == "file" else what[:2]
        for path, what in found.items()
    }


@settings(deadline=None, derandomize=True)
@given(steps=st.lists(mounting, max_size=20))
def test_a_copy_of_a_directory_holds_what_is_seen_of_it(steps: list[Operation]) -> None:
    fs = after(steps)._fs
    seen = tree(fs)
    for path in seen:
        if seen[path][0] != "directory":
            continue
        prefix = path.rstrip("/")
        below = {"/" + p[len(prefix) :].lstrip("/"): what for p, what in seen.items()
                 if p == path or p.startswith(prefix + "/")}  # fmt: skip
        assert without_links(tree(Filesystem(copied(fs, path)))) == without_links(below)
    assert tree(fs) == seen


@settings(deadline=None, derandomize=True)
@given(steps=st.lists(mounting, max_size=20), more=st.lists(mounting, max_size=10))
def test_a_fork_is_the_same_and_then_goes_its_own_way(
    steps: list[Operation], more: list[Operation]
) -> None:
    memory = after(steps)
    fs, seen = memory._fs, tree(memory._fs)
    fork = fs.fork()
    assert tree(fork) == seen
    other = Memory()
    other._fs = fork
    answers = [other(*step) for step in more]
    assert tree(fs) == seen
    assert [memory(*step) for step in more] == answers
    memory("chdir", "/")
    assert tree(fork) == tree(fs)


def test_names_of_one_file_stay_names_of_one_in_a_copy() -> None:
    fs = Filesystem(Disk(lambda: 7))
    put(fs, "/d/a", b"x")
    fs.mkdir("/d/m")
    fs.mount("/d/m", Disk(lambda: 7))
    fs.link("/d/a", "/d/b")
    fs.link("/d/a", "/outside")
    put(fs, "/d/m/a", b"y")
    copy = Filesystem(copied(fs, "/d"))
    assert copy.lookup("/a") is copy.lookup("/b")
    assert copy.lookup("/a").links == 2
    assert copy.lookup("/m/a") is not copy.lookup("/a")
    assert copy.lookup("/").links == 3
    assert copy.disk.snapshot().used == 2


def test_a_shared_disk_is_the_same_in_a_fork() -> None:
    fs, disk = Filesystem(Disk(lambda: 7)), Disk(lambda: 7, shared=True)
    fs.mkdir("/one")
    fs.mkdir("/two")
    fs.mount("/one", disk)
    fs.mount("/two", disk, read_only=True)
    fork = fs.fork()
    put(fork, "/one/f", b"x")
    assert fs.names(fs.folder("/two")) == ["f"]
    with pytest.raises(OSError, match="Invalid cross-device link"):
        fs.link("/two/f", "/one/g")
    with pytest.raises(OSError, match="Read-only"):
        fs.unlink("/two/f")
    fs.mkdir("/one/d")
    fs.mount("/one/d", Disk(lambda: 7))
    with pytest.raises(OSError, match="Device or resource busy"):
        fs.rmdir("/one/d")


def test_a_mount_goes_with_its_directory_if_another_tree_removes_that() -> None:
    disk = Disk(lambda: 7, shared=True)
    one, two = Filesystem(Disk(lambda: 7)), Filesystem(Disk(lambda: 7))
    for fs in (one, two):
        fs.mkdir("/v")
        fs.mount("/v", disk)
    one.mkdir("/v/d")
    one.mount("/v/d", Disk(lambda: 7))
    held = one.hold(one.folder("/v/d"))
    assert one.path_of(held.node) == "/v/d"
    two.rmdir("/v/d")
    assert one.names(one.folder("/v")) == []
    assert [path for path, _ in one.mounted()] == ["/v"]
    with pytest.raises(FileNotFoundError):
        one.path_of(held.node)
    assert one.fork().names(TOP) == ["v"]


def test_what_is_open_is_closed_with_the_tree() -> None:
    fs, disk = Filesystem(Disk(lambda: 7)), Disk(lambda: 7, shared=True)
    fs.mkdir("/v")
    fs.mount("/v", disk)
    handle = fs.open("/v/f", os.O_CREAT | os.O_RDWR)
    handle.pwrite(0, b"x")
    fs.unlink("/v/f")
    assert disk.snapshot().used == 0
    fs.mounts.close()
    assert handle.closed
    assert disk.get(handle.number) is None
    handle.close()
