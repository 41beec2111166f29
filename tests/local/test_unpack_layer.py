"""Layers of images as directories that overlayfs merges: what a tar makes of an empty directory.

Without a sandbox around it: whatever a layer has, nothing outside of its directory may change.
"""

from __future__ import annotations

import io
import os
import random
import stat
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox._shared.tar.member import TarError
from pytest_sandbox.local.filesystem.images import unpack_layer as module
from pytest_sandbox.local.filesystem.images.layers_below import LayersBelow
from pytest_sandbox.local.filesystem.images.member_attributes import Owners
from pytest_sandbox.local.filesystem.images.unpack_layer import UnpackedTree, unpack_layer
from pytest_sandbox.local.kernel import overlayfs

from .layers import Entry, emptied, file, folder, hard_link, link, removed, tar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not AS_ROOT, reason="needs root")


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A file beside the directory of the layer, which must not change."""
    path = tmp_path / "outside"
    path.write_text("as it was")
    path.chmod(0o640)
    before = os.stat(path)
    yield path
    after = os.stat(path)
    assert path.read_text() == "as it was"
    assert (before.st_mode, before.st_uid, before.st_nlink) == (
        after.st_mode,
        after.st_uid,
        after.st_nlink,
    )


def unpack(
    root: Path, *entries: Entry, below: tuple[Path, ...] = (), most: int = 1 << 40
) -> UnpackedTree:
    root.mkdir(exist_ok=True)
    fds = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in (root, *below)]
    try:
        data = io.BytesIO(tar(*entries))
        owners = Owners(65536 if AS_ROOT else 1)
        return unpack_layer(data.read, fds[0], LayersBelow(fds[1:]), owners, most)
    finally:
        for fd in fds:
            os.close(fd)


def is_whiteout(path: Path) -> bool:
    return overlayfs.is_whiteout(os.lstat(path))


def is_opaque(path: Path) -> bool:
    return overlayfs.OPAQUE in os.listxattr(path)


def test_files_have_what_the_tar_says(tmp_path: Path) -> None:
    root = tmp_path / "layer"
    unpack(
        root,
        folder("./", 0o711),
        folder("/d", 0o1777),
        file("d/f", b"data", 0o4755, mtime=5),
        link("d/l", "/etc/passwd"),
        Entry("d/p", kind=b"6", mode=0o600),
        hard_link("h", "./d/f"),
        file("implied/x", b"x"),
    )
    info = os.stat(root / "d/f")
    assert (stat.S_IMODE(info.st_mode), info.st_mtime, info.st_nlink) == (0o4755, 5, 2)
    assert (root / "h").read_bytes() == b"data"
    assert os.readlink(root / "d/l") == "/etc/passwd"
    assert stat.S_ISFIFO(os.lstat(root / "d/p").st_mode)
    modes = [stat.S_IMODE(os.stat(root / name).st_mode) for name in (".", "d", "implied")]
    assert modes == [0o711, 0o1777, 0o755]
    # What was made in it later did not change its time.
    assert os.stat(root / "d").st_mtime == 1000


@needs_root
def test_owners(tmp_path: Path) -> None:
    root = tmp_path / "layer"
    unpack(root, folder("d", uid=33, gid=44), file("d/f", uid=65535, gid=1))
    assert [(os.stat(root / n).st_uid, os.stat(root / n).st_gid) for n in ("d", "d/f")] == [
        (33, 44),
        (65535, 1),
    ]
    with pytest.raises(TarError, match="'g': it belongs to 65536:0, and ids go up to 65535"):
        unpack(root, file("g", uid=65536))


@needs_root
def test_files_of_root_do_not_take_the_group_of_their_directory(tmp_path: Path) -> None:
    unpack(tmp_path / "d", Entry("g/", kind=b"5", mode=0o2777, gid=7), file("g/f"), file("f"))
    assert os.stat(tmp_path / "d/g").st_gid == 7
    assert [os.stat(tmp_path / "d" / each).st_gid for each in ("g/f", "f")] == [0, 0]


@pytest.mark.parametrize("mode", [0o777, 0o666, 0o000, 0o4711])
def test_modes_do_not_depend_on_the_umask(tmp_path: Path, mode: int) -> None:
    before = os.umask(0o077)
    try:
        unpack(tmp_path / "d", file("f", b"x", mode))
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)
    info = os.stat(tmp_path / "d/f")
    assert (stat.S_IMODE(info.st_mode), info.st_size) == (mode, 1)


def test_names_in_a_directory_are_found_however_it_is_written(tmp_path: Path) -> None:
    root = tmp_path / "d"
    names = ("a/b/f", "a/b/./g", "a/b/h", "/a/b/i", "a//b/j", "./a/b/k", "a/l", "a/b/m")
    unpack(root, *(file(name) for name in names), folder("a/b/n/"), file("a/b/o"))
    assert sorted(os.listdir(root / "a/b")) == ["f", "g", "h", "i", "j", "k", "m", "n", "o"]
    assert sorted(os.listdir(root / "a")) == ["b", "l"]
    with pytest.raises(TarError, match="below the directory"):
        unpack(tmp_path / "e", file("a/f"), file("a/../g"))
    with pytest.raises(TarError, match="below the directory"):
        unpack(tmp_path / "g", file("a/f"), file("a/.."))


def test_devices_are_left_out(tmp_path: Path) -> None:
    root = tmp_path / "layer"
    unpack(root, *(Entry(f"{kind}", kind=kind.encode(), device=(1, 3)) for kind in "34"))
    unpack(root, Entry("none", kind=b"3", device=(0, 0)))  # which would be a whiteout
    assert os.listdir(root) == []


def test_what_hides_what_is_below(tmp_path: Path) -> None:
    root = tmp_path / "layer"
    unpack(
        root,
        removed("gone"),
        folder("d"),
        emptied("d"),
        file("d/new"),
        removed("late/x"),  # its directory is not in the tar
        Entry(".wh..wh.plnk", kind=b"5"),  # a note of AUFS
    )
    assert is_whiteout(root / "gone")
    assert is_whiteout(root / "late/x")
    assert is_opaque(root / "d")
    assert (root / "d/new").exists()
    assert sorted(os.listdir(root)) == ["d", "gone", "late"]


@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
def test_a_removal_is_of_what_is_below_wherever_it_stands(tmp_path: Path, first: bool) -> None:
    root = tmp_path / "layer"
    made = [file("f", b"new"), folder("d"), file("d/f", b"new")]
    gone = [removed("f"), removed("d"), emptied("e")]
    unpack(root, *(gone + made if first else made + gone))
    assert (root / "f").read_bytes() == b"new"
    assert (root / "d/f").read_bytes() == b"new"
    assert is_opaque(root / "d")
    assert is_opaque(root / "e")


def test_all_that_is_below_is_hidden(tmp_path: Path) -> None:
    assert unpack(tmp_path / "a", Entry(".wh..wh..opq"), file("f")).opaque
    assert not unpack(tmp_path / "b", file("f")).opaque


def test_a_name_that_comes_again_is_something_else(tmp_path: Path, outside: Path) -> None:
    root = tmp_path / "layer"
    unpack(
        root,
        link("a", str(outside)),
        file("a", b"file"),
        file("b"),
        folder("b"),
        file("b/x"),
        folder("c"),
        file("c/deep/er"),
        link("c", str(outside)),
        link("d", str(tmp_path)),
        folder("d"),
        file("d/outside", b"inside"),
        file("e", b"1"),
        hard_link("e2", "e"),
        file("e", b"2"),
        hard_link("e", "e"),
    )
    assert (root / "a").read_bytes() == b"file"
    assert is_opaque(root / "b"), "the file hid what is below"
    assert os.readlink(root / "c") == str(outside)
    assert (root / "d/outside").read_bytes() == b"inside"
    assert ((root / "e").read_bytes(), (root / "e2").read_bytes()) == (b"2", b"1")


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([file("../outside", b"!")], "would not stay below"),
        ([file("a/../../outside", b"!")], "would not stay below"),
        ([file("/../outside", b"!")], "would not stay below"),
        ([link("l", ".."), file("l/outside", b"!")], "'l' is not a directory in this layer"),
        ([link("l", "/"), folder("l/x")], "'l' is not a directory in this layer"),
        ([file("f"), file("f/x")], "'f' is not a directory in this layer"),
        ([hard_link("h", "../outside")], "would not stay below"),
        ([link("l", ".."), hard_link("h", "l/outside")], "hard link to 'l/outside'"),
        ([hard_link("h", "missing")], "hard link to 'missing', where there is no file"),
        ([folder("d"), hard_link("h", "d")], "hard link to 'd', where there is no file"),
        ([removed("w"), hard_link("h", "w")], "hard link to 'w', where there is no file"),
        ([hard_link("h", "/")], "hard link to the directory of all files"),
        ([file("/", b"!")], "it would replace the directory of all files"),
        ([Entry(".wh...")], "removes nothing that has a name"),
        ([Entry("d/.wh.")], "removes nothing that has a name"),
        ([file("x" * 65536)], "its path is longer than 4095 bytes"),
        ([file("x" * 300)], "File name too long"),
        ([link("l", "x" * 5000)], "File name too long"),
    ],
    ids=lambda value: None if isinstance(value, str) else str([each.name[:20] for each in value]),
)
def test_a_layer_that_leads_elsewhere(
    tmp_path: Path, outside: Path, entries: list[Entry], words: str
) -> None:
    with pytest.raises((TarError, OSError), match=words) as caught:
        unpack(tmp_path / "layer", file("fine"), *entries)
    name = entries[-1].name[:80]
    assert name in str(caught.value)


def test_attributes_that_are_kept(tmp_path: Path) -> None:
    root = tmp_path / "layer"
    extended = {
        "user.note": "kept",
        "user.overlay.opaque": "y",
        "user.overlay.redirect": "/etc",
        "trusted.overlay.opaque": "y",
        "security.selinux": "label",
        "system.posix_acl_access": "x",
        "user." + "n" * 251: "too long",
    }
    records = {f"SCHILY.xattr.{name}": value for name, value in extended.items()}
    unpack(root, Entry("d", kind=b"5", mode=0o755, records=records), Entry("f", records=records))
    for name in ("d", "f"):
        mine = [each for each in os.listxattr(root / name) if not each.startswith("security.")]
        assert mine == ["user.note"]
        assert os.getxattr(root / name, "user.note") == b"kept"


@needs_root
@pytest.mark.parametrize("version", [2, 3])
def test_capabilities(tmp_path: Path, version: int) -> None:
    """Those of a namespace are for its root, whichever root that was where the layer was made."""
    root = tmp_path / "layer"
    value = bytes([1, 0, 0, version, 0, 4, 0, 0, *bytes(12)])
    text = (value + (b"\x00\x00\x01\x00" if version == 3 else b"")).decode("utf-8")
    unpack(root, Entry("f", records={"SCHILY.xattr.security.capability": text}))
    assert os.getxattr(root / "f", "security.capability") == bytes([1, 0, 0, 2, *value[4:]])


def test_a_file_with_holes(tmp_path: Path) -> None:
    root = tmp_path / "layer"
    size = 1 << 30
    table = b"2\n4096\n4\n%d\n0\n" % size
    records = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "f",
        "GNU.sparse.realsize": str(size),
    }
    done = unpack(root, Entry("hidden", table.ljust(512, b"\0") + b"data", records=records))
    info = os.stat(root / "f")
    assert (info.st_size, info.st_blocks * 512 < 1 << 20, done.size) == (size, True, 4096)
    with (root / "f").open("rb") as opened:
        opened.seek(4096)
        assert opened.read(5) == b"data\0"


class TestOnLayersBelow:
    @pytest.fixture
    def below(self, tmp_path: Path) -> tuple[Path, ...]:
        lowest, upper = tmp_path / "lowest", tmp_path / "upper"
        unpack(
            lowest,
            folder("d", 0o1777, mtime=7),
            file("d/f", b"lowest", 0o4711, mtime=9),
            file("d/gone"),
            file("o/f", b"hidden"),
            link("d/l", "/x"),
        )
        entries = removed("d/gone"), folder("o"), emptied("o"), file("d/g", b"upper")
        unpack(upper, *entries, below=(lowest,))
        return upper, lowest

    def test_a_hard_link_to_a_file_below(self, tmp_path: Path, below: tuple[Path, ...]) -> None:
        """The file is copied, under its own name too: both are names of one file then."""
        root = tmp_path / "layer"
        done = unpack(
            root,
            hard_link("a/h", "d/f"),
            hard_link("h2", "d/f"),
            hard_link("l2", "d/l"),
            below=below,
        )
        info = os.stat(root / "a/h")
        assert (root / "h2").read_bytes() == b"lowest"
        assert (info.st_nlink, stat.S_IMODE(info.st_mode), info.st_mtime) == (3, 0o4711, 9)
        assert os.readlink(root / "l2") == os.readlink(root / "d/l") == "/x"
        assert stat.S_IMODE(os.stat(root / "d").st_mode) == 0o1777
        assert done.borrowed

    @pytest.mark.parametrize("target", ["d/gone", "o/f", "d", "d/f/x", "d/l/x"])
    def test_a_hard_link_to_what_does_not_show(
        self, tmp_path: Path, below: tuple[Path, ...], target: str
    ) -> None:
        with pytest.raises(TarError, match=f"hard link to {target!r}"):
            unpack(tmp_path / "layer", hard_link("h", target), below=below)

    def test_a_hard_link_to_what_this_layer_hides(
        self, tmp_path: Path, below: tuple[Path, ...]
    ) -> None:
        for number, hiding in enumerate((emptied("d"), removed("d"), Entry(".wh..wh..opq"))):
            with pytest.raises(TarError, match="hard link to 'd/f'"):
                unpack(tmp_path / str(number), hiding, hard_link("h", "d/f"), below=below)

    def test_a_directory_that_is_not_in_the_tar(
        self, tmp_path: Path, below: tuple[Path, ...]
    ) -> None:
        """It has the attributes that it has below, which it would hide."""
        root = tmp_path / "layer"
        done = unpack(root, file("d/new"), file("none/new"), below=below)
        info = os.stat(root / "d")
        assert stat.S_IMODE(info.st_mode) == 0o1777
        assert done.borrowed
        assert not is_opaque(root / "d")

    def test_whether_a_layer_depends_on_those_below(
        self, tmp_path: Path, below: tuple[Path, ...]
    ) -> None:
        """Also if they have no such directory, for others may have it."""
        layers = [
            ([file("none/a/new")], True),
            ([folder("none"), file("none/a/new")], True),
            ([folder("d"), file("d/new"), file("new"), removed("o")], False),
            ([emptied("."), file("none/a/new")], False),
        ]
        for number, (entries, expected) in enumerate(layers):
            for each in (below, ()):
                root = tmp_path / f"{number}-{len(each)}"
                assert unpack(root, *entries, below=each).borrowed is expected, entries


def test_a_layer_that_is_too_large(tmp_path: Path) -> None:
    for entries in ([file("f", bytes(100_000))], [folder(f"{n}") for n in range(30)]):
        with pytest.raises(OSError, match="more than the 90000 bytes that are left for it"):
            unpack(tmp_path / "layer", *entries, most=90_000)


def test_a_layer_with_too_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_MEMBERS", 3)
    with pytest.raises(TarError, match="'f3': the layer has more than 3 members"):
        unpack(tmp_path / "layer", *(file(f"f{number}") for number in range(5)))


def test_a_layer_with_too_many_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_REMEMBERED", 300)
    with pytest.raises(TarError, match="the layer has too many directories"):
        unpack(tmp_path / "layer", *(folder(f"f{number}") for number in range(5)))


@pytest.mark.parametrize("data", [b"x" * 100, b"x" * 512, tar(file("f", b"x" * 900))[:1000]])
def test_a_damaged_layer(tmp_path: Path, data: bytes) -> None:
    root = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with pytest.raises(TarError):
            unpack_layer(io.BytesIO(data).read, root, LayersBelow([]), Owners(1), 1 << 40)
    finally:
        os.close(root)


def test_whatever_the_bytes_are(tmp_path: Path, outside: Path) -> None:
    """A layer is unpacked or refused with one of two errors; nothing else happens."""
    below = tmp_path / "below"
    unpack(below, folder("d", 0o1777), file("d/f", b"lower"), file("e/g", b"lower"))
    names = {"path": "d/longer", "SCHILY.xattr.user.a": "1", "GNU.sparse.name": "s"}
    whole = tar(
        *(folder("d"), file("d/f", b"x" * 700), link("l", "d/f"), hard_link("h", "d/f")),
        *(removed("e/g"), emptied("d"), hard_link("e/h", "e/g"), file("d/f/x")),
        Entry("short", b"y" * 20, records=names),
    )
    chosen = random.Random(5)
    lower = os.open(below, os.O_RDONLY | os.O_DIRECTORY)
    before = sorted(str(path) for path in below.rglob("*"))
    for number in range(150):
        data = bytearray(whole)
        for _ in range(chosen.randrange(1, 6)):
            place = chosen.randrange(len(data) - 1024)
            data[place] = chosen.choice(b"\0/.~01567 \xff" + data[place : place + 1])
            block = place - place % 512
            if data[block + 257 : block + 262] == b"ustar":  # else most would fail here
                data[block + 148 : block + 156] = b" " * 8
                data[block + 148 : block + 156] = b"%06o\0 " % sum(data[block : block + 512])
        root = tmp_path / str(number)
        root.mkdir()
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            owners = Owners(65536 if AS_ROOT else 1)
            unpack_layer(io.BytesIO(data).read, fd, LayersBelow([lower]), owners, 1 << 20)
        except (TarError, OSError):
            pass
        finally:
            os.close(fd)
    os.close(lower)
    assert sorted(str(path) for path in below.rglob("*")) == before
    assert {path.name for path in tmp_path.iterdir()} == {
        *("below", "outside"),
        *map(str, range(150)),
    }
