"""Snapshots, open files, sparse contents and watches of the filesystem in memory."""

import errno
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_sandbox.fakes.files.changes import Change, ChangeKind, Watching
from pytest_sandbox.fakes.files.content import BLOCK, Content
from pytest_sandbox.fakes.files.cow_map import CowMap
from pytest_sandbox.fakes.files.disk import Disk
from pytest_sandbox.fakes.files.inode import Regular
from pytest_sandbox.fakes.files.mounts import TOP
from pytest_sandbox.fakes.files.rename import RENAME_EXCHANGE, RENAME_NOREPLACE
from pytest_sandbox.fakes.files.trees import below, empty
from pytest_sandbox.fakes.files.vfs import Filesystem


def make() -> Filesystem:
    return Filesystem(Disk(lambda: 7))


def put(fs: Filesystem, path: str, data: bytes) -> None:
    handle = fs.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    handle.pwrite(0, data)
    handle.close()


def get(fs: Filesystem, path: str) -> bytes:
    handle = fs.open(path, os.O_RDONLY)
    try:
        return handle.pread(0, 1 << 30)
    finally:
        handle.close()


class Value:
    owner: object = None


def test_a_table_holds_values_under_keys_of_any_size() -> None:
    table: CowMap[Value] = CowMap()
    values = {key: Value() for key in (0, 31, 32, 1023, 1024, 10**6, 10**9)}
    for key, value in values.items():
        table.put(key, value)
    assert {key: table.get(key) for key in values} == values
    assert table.get(33) is None
    assert table.get(10**12) is None


def test_forks_of_a_table_do_not_see_each_others_changes() -> None:
    table: CowMap[Value] = CowMap()
    first, second, third = Value(), Value(), Value()
    table.put(5000, first)
    fork = table.fork()
    table.put(5000, second)
    fork.put(1, third)
    assert (table.get(5000), table.get(1)) == (second, None)
    assert (fork.get(5000), fork.get(1)) == (first, third)


def test_a_snapshot_keeps_what_was_and_its_copies_go_their_own_ways() -> None:
    fs = make()
    fs.mkdir("/d")
    put(fs, "/d/f", b"old")
    snapshot = fs.disk.snapshot()
    put(fs, "/d/f", b"new")
    fs.rename("/d", "/e")
    one, two = Filesystem(snapshot.restore(lambda: 8)), Filesystem(snapshot.restore(lambda: 9))
    put(one, "/d/f", b"one")
    two.unlink("/d/f")
    assert get(fs, "/e/f") == b"new"
    assert get(one, "/d/f") == b"one"
    assert two.names(two.node("/d")) == []
    assert get(Filesystem(snapshot.restore(lambda: 0)), "/d/f") == b"old"


def test_a_snapshot_copies_no_file_that_is_not_changed() -> None:
    fs = make()
    for i in range(100):
        put(fs, f"/f{i}", b"x")
    fork = Filesystem(fs.disk.snapshot().restore(lambda: 0))
    put(fork, "/f0", b"y")
    shared = [fs.lookup(f"/f{i}") is fork.lookup(f"/f{i}") for i in range(100)]
    assert shared == [False] + [True] * 99


def test_an_open_file_stays_usable_without_a_name_and_then_goes() -> None:
    fs = make()
    handle = fs.open("/f", os.O_CREAT | os.O_RDWR)
    fs.unlink("/f")
    handle.pwrite(0, b"still here")
    assert handle.pread(0, 100) == b"still here"
    assert handle.inode.links == 0
    handle.close()
    with pytest.raises(FileNotFoundError):
        fs.inode(handle.node)


def test_a_snapshot_leaves_out_files_without_a_name() -> None:
    fs = make()
    handle = fs.open("/f", os.O_CREAT | os.O_RDWR)
    fs.unlink("/f")
    assert fs.disk.snapshot().restore(lambda: 0).get(handle.number) is None
    assert handle.pread(0, 1) == b""


def test_an_open_file_sees_what_is_written_after_a_snapshot() -> None:
    fs = make()
    put(fs, "/f", b"one")
    handle = fs.open("/f", os.O_RDWR)
    fs.disk.snapshot()
    handle.pwrite(3, b" two")
    assert get(fs, "/f") == b"one two"


def test_a_closed_or_read_only_file_cannot_be_written() -> None:
    fs = make()
    put(fs, "/f", b"x")
    handle = fs.open("/f", os.O_RDONLY)
    with pytest.raises(OSError, match="Bad file descriptor"):
        handle.pwrite(0, b"y")
    with pytest.raises(OSError, match="Invalid argument"):
        handle.truncate(0)
    handle.close()
    handle.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        handle.pread(0, 1)


def test_appending_ignores_the_offset() -> None:
    fs = make()
    put(fs, "/f", b"one")
    fs.open("/f", os.O_WRONLY | os.O_APPEND).pwrite(0, b"+")
    assert get(fs, "/f") == b"one+"


def test_a_hole_takes_no_room_and_reads_as_zeros() -> None:
    content = Content()
    content.write(5 * BLOCK + 3, b"end")
    assert content.size == 5 * BLOCK + 6
    assert content.allocated == 6
    assert content.read(5 * BLOCK - 2, 100) == b"\0" * 5 + b"end"
    assert list(content.extents()) == [(5 * BLOCK, 6)]


def test_bytes_cut_off_do_not_come_back_when_a_file_grows() -> None:
    content = Content(b"x" * (2 * BLOCK))
    content.truncate(BLOCK + 1)
    content.truncate(2 * BLOCK)
    assert content.read(BLOCK, 3) == b"x\0\0"
    content.truncate(BLOCK)
    assert list(content.extents()) == [(0, BLOCK)]


def test_a_file_cannot_grow_beyond_what_a_disk_allows() -> None:
    fs = make()
    handle = fs.open("/f", os.O_CREAT | os.O_WRONLY)
    with pytest.raises(OSError, match="File too large"):
        handle.pwrite(1 << 60, b"x")
    with pytest.raises(OSError, match="File too large"):
        handle.truncate(1 << 60)


def test_rename_can_refuse_to_replace_and_can_exchange() -> None:
    fs = make()
    put(fs, "/a", b"a")
    fs.mkdir("/b")
    put(fs, "/b/in", b"in")
    with pytest.raises(FileExistsError):
        fs.rename("/a", "/b", flags=RENAME_NOREPLACE)
    with pytest.raises(FileNotFoundError):
        fs.rename("/a", "/c", flags=RENAME_EXCHANGE)
    fs.rename("/a", "/b", flags=RENAME_EXCHANGE)
    assert get(fs, "/b") == b"a"
    assert get(fs, "/a/in") == b"in"
    assert fs.path_of(fs.folder("/a")) == "/a"


def test_the_path_of_a_removed_directory_is_not_known() -> None:
    fs = make()
    fs.mkdir("/d")
    fs.mkdir("/d/e")
    held = fs.hold(fs.folder("/d/e"))
    assert fs.path_of(held.node) == "/d/e"
    fs.rmdir("/d/e")
    with pytest.raises(FileNotFoundError):
        fs.path_of(held.node)
    held.close()


@pytest.mark.parametrize("device", ["null", "zero", "full", "random"])
def test_devices_read_and_write_as_their_names_say(device: str) -> None:
    fs = make()
    fs.mknod("/dev", device)
    handle = fs.open("/dev", os.O_RDWR)
    data = handle.pread(300, 5)
    assert data == {"null": b"", "random": handle.pread(300, 5)}.get(device, b"\0" * 5)
    assert (len(set(data)) > 1) == (device == "random")
    if device == "full":
        with pytest.raises(OSError, match="No space left") as caught:
            handle.pwrite(0, b"x")
        assert caught.value.errno == errno.ENOSPC
    else:
        assert handle.pwrite(0, b"x") == 1


def watch(fs: Filesystem, path: str, *, recursive: bool = False) -> Watching:
    return fs.watch(path, recursive=recursive, wake=lambda: None)


def seen(watch: Watching) -> list[tuple[str, str | None, str | None]]:
    found = [(change.kind.value, change.path, change.target) for change in watch.queue]
    watch.queue.clear()
    return found


def test_a_watched_directory_tells_of_the_life_of_a_file() -> None:
    fs = make()
    fs.mkdir("/d")
    watched = watch(fs, "/d")
    put(fs, "/d/f", b"x")
    get(fs, "/d/f")
    fs.chmod("/d/f", 0o600)
    fs.truncate("/d/f", 0)
    fs.unlink("/d/f")
    assert [what for what, _, _ in seen(watched)] == [
        "create", "open", "modify", "close_write",
        "open", "access", "close_nowrite",
        "attrib", "modify", "delete",
    ]  # fmt: skip


def test_a_plain_watch_stops_at_directories_below_and_a_recursive_one_does_not() -> None:
    fs = make()
    fs.mkdir("/d")
    plain, deep = watch(fs, "/d"), watch(fs, "/d", recursive=True)
    fs.mkdir("/d/new")
    fs.mkdir("/d/new/er")
    assert seen(plain) == [("create", "/d/new", None)]
    assert seen(deep) == [("create", "/d/new", None), ("create", "/d/new/er", None)]
    assert deep.queue == plain.queue


def test_a_rename_tells_the_names_that_are_in_view() -> None:
    fs = make()
    fs.mkdir("/d")
    put(fs, "/d/a", b"")
    watched = watch(fs, "/d")
    fs.rename("/d/a", "/d/b")
    fs.rename("/d/b", "/out")
    fs.rename("/out", "/d/c")
    fs.mkdir("/elsewhere")
    fs.rename("/elsewhere", "/still")
    assert list(watched.queue) == [
        Change(ChangeKind.MOVE, "/d/a", "/d/b"),
        Change(ChangeKind.MOVE, "/d/b", None),
        Change(ChangeKind.MOVE, None, "/d/c"),
    ]


def test_a_watched_file_is_followed_through_another_name_until_it_is_gone() -> None:
    fs = make()
    put(fs, "/f", b"")
    fs.link("/f", "/g")
    watched = watch(fs, "/f")
    put(fs, "/g", b"x")
    fs.unlink("/f")
    assert "delete" not in [what for what, _, _ in list(seen(watched))]
    put(fs, "/g", b"y")
    fs.unlink("/g")
    changes = seen(watched)
    assert changes[-1] == ("delete", "/f", None)
    assert {path for _, path, _ in changes} == {"/f"}


def test_a_file_that_is_open_reports_under_its_new_name() -> None:
    fs = make()
    handle = fs.open("/a", os.O_CREAT | os.O_WRONLY)
    watched = watch(fs, "/")
    fs.rename("/a", "/b")
    handle.pwrite(0, b"x")
    assert seen(watched) == [("move", "/a", "/b"), ("modify", "/b", None)]


def test_a_removed_watch_hears_nothing() -> None:
    fs = make()
    watched = watch(fs, "/")
    watched.close()
    watched.close()
    fs.mkdir("/d")
    assert not watched.queue


def test_times_are_those_of_the_clock() -> None:
    now = 5
    fs = Filesystem(Disk(lambda: now))
    put(fs, "/f", b"")
    now = 6
    fs.chmod("/f", 0o600)
    inode = fs.lookup("/f")
    assert isinstance(inode, Regular)
    assert (inode.mtime_ns, inode.ctime_ns, fs.lookup("/").mtime_ns) == (5, 6, 5)
    fs.utime("/f", 1, 2)
    inode = fs.lookup("/f")
    assert (inode.atime_ns, inode.mtime_ns) == (1, 2)


def test_a_removed_name_can_be_made_again_below_the_root() -> None:
    fs = make()
    fs.mkdir("/d")
    before = fs.folder("/d")
    fs.rmdir("/d")
    fs.mkdir("/d")
    assert fs.folder("/d") != before
    assert fs.folder("/d/..") == TOP


def test_trees_deeper_than_any_path_are_walked_and_removed() -> None:
    fs = make()
    base = TOP
    for _ in range(5000):
        fs.mkdir("d", base=base)
        fs.symlink("/", "l", base=base)
        base = fs.folder("d", base=base)
    assert sum(1 for _ in below(fs, TOP)) == 10_000
    empty(fs, TOP)
    assert fs.names(TOP) == []


@settings(deadline=None, derandomize=True)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["write", "truncate", "read", "copy"]),
            st.integers(0, 3 * BLOCK),
            st.binary(max_size=20).map(lambda data: data * 5000),
        ),
        max_size=12,
    )
)
def test_a_content_is_a_sequence_of_bytes(steps: list[tuple[str, int, bytes]]) -> None:
    content, model = Content(), bytearray()
    held = 0
    for step, number, data in steps:
        if step == "write":
            held += content.write(number, data)
            if data:
                model.extend(bytes(max(0, number - len(model))))
                model[number : number + len(data)] = data
        elif step == "truncate":
            held = 0
            content.truncate(number)
            model[number:] = b""
            model.extend(bytes(number - len(model)))
            held = content.allocated
        elif step == "copy":
            content.copy().write(0, b"other")
        assert (content.size, content.allocated) == (len(model), held)
        assert content.read(number // 2, BLOCK) == model[number // 2 : number // 2 + BLOCK]
    rebuilt = bytearray(content.size)
    for offset, size in content.extents():
        rebuilt[offset : offset + size] = content.read(offset, size)
    assert rebuilt == model


@settings(deadline=None, derandomize=True)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 2000), st.booleans(), st.booleans()),
        max_size=60,
    )
)
def test_forked_tables_are_independent_maps(steps: list[tuple[int, int, bool, bool]]) -> None:
    tables: list[tuple[CowMap[Value], dict[int, Value]]] = [(CowMap(), {})]
    for which, key, fork, forget in steps:
        table, model = tables[which % len(tables)]
        if fork and len(tables) < 6:
            tables.append((table.fork(), dict(model)))
        value = None if forget else Value()
        table.put(key, value)
        model.pop(key, None)
        if value is not None:
            model[key] = value
    for table, model in tables:
        assert {key: table.get(key) for key in range(2001) if table.get(key)} == model
