"""Directories as tars: all contents come back, and hostile tars write nothing outside."""

from __future__ import annotations

import io
import os
import socket
import stat
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_sandbox.client.exceptions import UnsafeArchiveError
from pytest_sandbox.client.files.pack import pack
from pytest_sandbox.client.files.unpack import unpack

MIB = 1024 * 1024


def packed(folder: Path) -> bytes:
    sink = io.BytesIO()
    pack(str(folder), sink)
    return sink.getvalue()


def unpacked(data: bytes, folder: Path, *, outside_links: bool = False, **options: Any) -> Path:
    folder.mkdir(exist_ok=True)
    unpack(io.BytesIO(data), str(folder), outside_links=outside_links, **options)
    return folder


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def tar(*members: tarfile.TarInfo, content: bytes = b"x") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info in members:
            info.size = len(content) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def described(folder: Path) -> dict[str, tuple[Any, ...]]:
    """All that is in a folder, and what it is."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content: Any = None
        if stat.S_ISLNK(status.st_mode):
            content = os.readlink(path)
        elif stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        found[str(path.relative_to(folder))] = (status.st_mode, status.st_mtime_ns, content)
    return found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with something of everything."""
    root = tmp_path / "tree"
    (root / "a" / "b").mkdir(parents=True)
    (root / "empty").mkdir(mode=0o750)
    (root / "a" / "one").write_bytes(b"one" * 1000)
    (root / "a" / "nothing").touch(mode=0o600)
    (root / "a" / "run").touch(mode=0o755)
    (root / " odd\nname é").write_text("odd")
    (root / os.fsdecode(b"not\xffutf8")).write_text("bytes")
    (root / "n").mkdir()
    (root / "n" / ("long" * 60)).write_text("long")
    (root / "a" / "relative").symlink_to("../empty")
    (root / "a" / "inside").symlink_to("one")
    (root / "dangling").symlink_to("nowhere")
    os.utime(root / "a" / "one", ns=(1_234_567_890_123_456_789, 1_234_567_890_123_456_789))
    os.utime(root / "a" / "inside", ns=(10**18 + 7, 10**18 + 7), follow_symlinks=False)
    os.utime(root / "a", ns=(946684799_999999999, 946684799_999999999))
    (root / "a" / "b").chmod(0o555)
    return root


def test_a_tree_comes_out_as_it_went_in(tree: Path, tmp_path: Path) -> None:
    copy = unpacked(packed(tree), tmp_path / "copy")

    assert described(copy) == described(tree)


def test_hard_links_stay_linked(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "one").write_text("one")
    os.link(tmp_path / "tree" / "one", tmp_path / "tree" / "two")

    copy = unpacked(packed(tmp_path / "tree"), tmp_path / "copy")

    assert (copy / "one").stat().st_ino == (copy / "two").stat().st_ino
    assert (copy / "two").read_text() == "one"


SEGMENTS = {
    "in front": [(8 * MIB, b"end")],
    "behind": [(0, b"start")],
    "between": [(0, b"start"), (4 * MIB, b"middle"), (8 * MIB, b"end")],
    "everywhere": [],
}


@pytest.mark.parametrize("segments", SEGMENTS.values(), ids=SEGMENTS)
def test_holes_stay_holes(tmp_path: Path, segments: list[tuple[int, bytes]]) -> None:
    size = 8 * MIB + 5
    (tmp_path / "tree" / "d").mkdir(parents=True)
    path = tmp_path / "tree" / "d" / "file"
    with path.open("wb") as file:
        for offset, data in segments:
            file.seek(offset)
            file.write(data)
        file.truncate(size)
    if path.stat().st_blocks * 512 > MIB:
        pytest.skip("needs root folder for temporary files on a file system with holes")

    data = packed(tmp_path / "tree")
    copy = unpacked(data, tmp_path / "copy") / "d" / "file"

    assert len(data) < MIB
    assert copy.read_bytes() == path.read_bytes()
    assert copy.stat().st_blocks * 512 < MIB


def test_other_programs_read_what_is_packed(tree: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(packed(tree))) as archive:
        names = {info.name for info in archive}
        content = archive.extractfile("a/one")
        assert content is not None
        assert content.read() == b"one" * 1000

    assert names == {".", *described(tree)}


def test_everything_that_is_packed_belongs_to_root(tree: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(packed(tree))) as archive:
        owners = {(info.uid, info.gid, info.uname, info.gname) for info in archive}

    assert owners == {(0, 0, "", "")}


def test_pipes_and_sockets_are_left_out_of_a_tar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    os.link(tmp_path / "pipe", tmp_path / "pipe too")
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
    (tmp_path / "file").write_text("")

    with tarfile.open(fileobj=io.BytesIO(packed(tmp_path))) as archive:
        assert archive.getnames() == [".", "file"]


def test_pipes_of_a_tar_are_left_out(tmp_path: Path) -> None:
    pipes = member("d/p", tarfile.FIFOTYPE), member("q", HARD, linkname="d/p")
    again = member("r", HARD, linkname="q")

    copy = unpacked(tar(*pipes, again, member("f")), tmp_path / "copy")

    assert set(described(copy)) == {"d", "f"}


def test_what_is_there_is_replaced_and_the_rest_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "target"
    (target / "a").mkdir(parents=True)
    (target / "a" / "f").write_text("old")
    (target / "a" / "kept").write_text("kept")
    (target / "l").symlink_to("a/kept")
    (target / "shared").write_text("old")
    os.link(target / "shared", target / "other name")

    unpacked(tar(member("a/f"), member("l"), member("shared")), target)

    assert (target / "a" / "f").read_text() == "x"
    assert (target / "a" / "kept").read_text() == "kept"
    assert not (target / "l").is_symlink()
    assert (target / "shared").read_text() == "x"
    assert (target / "other name").read_text() == "old"


def test_a_file_is_replaced_once_it_is_whole(tmp_path: Path) -> None:
    copy = unpacked(tar(member("f"), member("g"), content=b"old"), tmp_path / "copy")
    data = tar(member("f"), content=b"new" * 10_000)

    with pytest.raises(UnsafeArchiveError):
        unpacked(data[:20_000], copy)

    assert ((copy / "f").read_bytes(), sorted(os.listdir(copy))) == (b"old", ["f", "g"])


def test_two_tars_are_unpacked_into_one_folder_at_a_time(tmp_path: Path) -> None:
    members = [member(f"f{n}") for n in range(20)]
    members += [member(f"l{n}", tarfile.SYMTYPE, linkname="f0") for n in range(20)]
    data = tar(*members)

    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda _: unpacked(data, tmp_path / "copy"), range(50)))

    assert sorted(os.listdir(tmp_path / "copy")) == sorted(member.name for member in members)


@pytest.mark.parametrize(("asked", "mode"), [(False, 0o755), (True, 0o6755)])
def test_files_have_set_id_bits_only_if_they_are_asked_for(
    tmp_path: Path, asked: bool, mode: int
) -> None:
    data = tar(member("f", mode=0o6755), member("d", tarfile.DIRTYPE, mode=0o3777))

    copy = unpacked(data, tmp_path / "copy", set_id_bits=asked)

    assert stat.S_IMODE((copy / "f").stat().st_mode) == mode
    assert stat.S_IMODE((copy / "d").stat().st_mode) == 0o3777


# Hostile tars. Above the folder there is a file that must stay as it is, and nothing else.

LINK, HARD, FOLDER = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE

HOSTILE = {
    "dots": [member("../escaped")],
    "dots behind a name": [member("a/../../escaped")],
    "absolute": [member("/escaped")],
    "the folder itself": [member(".")],
    "a link up": [member("up", LINK, linkname=".."), member("up/escaped")],
    "a link to the top": [member("top", LINK, linkname="/"), member("top/escaped")],
    "a link to a file above": [member("l", LINK, linkname="../victim"), member("l")],
    "a link below a link": [
        member("a", FOLDER),
        member("a/l", LINK, linkname=".."),
        member("a/l/l", LINK, linkname=".."),
        member("a/l/l/escaped"),
    ],
    "a folder below a link": [
        member("l", LINK, linkname="."),
        member("l/m", LINK, linkname=".."),
        member("m/escaped", FOLDER),
    ],
    "dots behind a link": [
        member("s", LINK, linkname="."),
        member("t", LINK, linkname="s/.."),
        member("t/escaped"),
    ],
    "a hard link up": [member("h", HARD, linkname="../victim"), member("h")],
    "a hard link to the top": [member("h", HARD, linkname="/victim")],
    "a hard link through a link": [
        member("l", LINK, linkname=".."),
        member("h", HARD, linkname="l/victim"),
    ],
    "a hard link to a link": [
        member("l", LINK, linkname="../victim"),
        member("h", HARD, linkname="l"),
    ],
    "a device": [member("d", tarfile.CHRTYPE, devmajor=1, devminor=3)],
    "a disk": [member("d", tarfile.BLKTYPE, devmajor=8)],
    "an unknown kind": [member("u", b"Z")],
}


@pytest.mark.parametrize("outside_links", [False, True])
@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE)
def test_nothing_is_written_outside_the_folder(
    tmp_path: Path, members: list[tarfile.TarInfo], outside_links: bool
) -> None:
    (tmp_path / "victim").write_text("safe")
    before = described(tmp_path)
    target = tmp_path / "target"

    try:
        unpacked(tar(*members), target, outside_links=outside_links)
    except UnsafeArchiveError:
        refused = True
    else:
        refused = False

    inside = {path for path in described(tmp_path) if path.startswith("target")}
    after = {path: what for path, what in described(tmp_path).items() if path not in inside}
    assert after == before
    # The two that are fine if links may lead out, as later members do not follow them.
    assert refused or outside_links
    assert not Path("/escaped").exists()
    assert all(not stat.S_ISFIFO(what[0]) for what in described(target).values())


@pytest.mark.parametrize(
    "linkname", ["/etc/passwd", "..", "../x", "a/../../x", "../../x", "x/..", "a/.."]
)
def test_a_link_out_of_the_folder_is_refused_unless_asked_for(
    tmp_path: Path, linkname: str
) -> None:
    data = tar(member("l", LINK, linkname=linkname))

    with pytest.raises(UnsafeArchiveError, match="outside_links=True"):
        unpacked(data, tmp_path / "one")
    copy = unpacked(data, tmp_path / "two", outside_links=True)

    assert os.readlink(copy / "l") == linkname


@pytest.mark.parametrize("linkname", ["f", "./f", "../f", "..", "../b/c/d", ".", "../../f"])
def test_a_link_inside_the_folder_is_kept(tmp_path: Path, linkname: str) -> None:
    copy = unpacked(tar(member("a/b/l", LINK, linkname=linkname)), tmp_path / "copy")

    assert os.readlink(copy / "a" / "b" / "l") == linkname


def test_links_that_were_there_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "l").symlink_to("../outside")

    with pytest.raises(UnsafeArchiveError, match="not a directory"):
        unpacked(tar(member("l/escaped")), tmp_path / "target")

    assert list((tmp_path / "outside").iterdir()) == []


def test_a_directory_in_place_of_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "target" / "d").mkdir(parents=True)
    (tmp_path / "target" / "d" / "kept").touch()

    with pytest.raises(IsADirectoryError):
        unpacked(tar(member("d")), tmp_path / "target")

    assert (tmp_path / "target" / "d" / "kept").exists()


@pytest.mark.parametrize("data", [b"", b"no tar at all" * 100, tar(member("f"))[:700]])
def test_what_is_no_tar_is_an_error(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UnsafeArchiveError, match="cannot be unpacked"):
        unpacked(data, tmp_path / "copy")


def led_to(path: str) -> str:
    """Where a path leads, if that exists or could be made."""
    try:
        return os.path.realpath(path, strict=True)
    except FileNotFoundError:
        return os.path.realpath(path)
    except OSError:  # links in a circle lead nowhere
        return path


NAMES = st.lists(
    st.sampled_from(["..", ".", "", "/", "a", "b", "l", "victim"]), min_size=1, max_size=4
).map("/".join)
MEMBERS = st.builds(
    lambda name, kind, linkname: member(name, kind, linkname=linkname),
    NAMES,
    st.sampled_from([tarfile.REGTYPE, FOLDER, LINK, HARD]),
    NAMES,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(members=st.lists(MEMBERS, max_size=6), outside_links=st.booleans())
def test_no_tar_whatsoever_changes_anything_outside(
    tmp_path_factory: pytest.TempPathFactory, members: list[tarfile.TarInfo], outside_links: bool
) -> None:
    above = tmp_path_factory.mktemp("above")
    (above / "victim").write_text("safe")
    target = above / "target"
    failure: Exception | None = None

    try:
        unpacked(tar(*members), target, outside_links=outside_links)
    except (UnsafeArchiveError, OSError) as error:
        failure = error

    assert sorted(path.name for path in above.iterdir()) == ["target", "victim"]
    assert (above / "victim").read_text() == "safe"
    if not outside_links:
        for folder, folders, files in os.walk(target):
            for name in folders + files:
                where = led_to(os.path.join(folder, name))
                assert where.startswith(str(target.resolve())), f"{where}, {failure}"
