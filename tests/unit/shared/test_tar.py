"""Tar streams: times are exact, and hostile bytes end in success or in the documented error."""

import errno
import io
import os
import subprocess
import tarfile
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_sandbox._shared.tar import numbers, pax, sparse, writer
from pytest_sandbox._shared.tar.disk_source import DiskSource
from pytest_sandbox._shared.tar.header import Header
from pytest_sandbox._shared.tar.member import BLOCK, Member, MemberKind, TarError
from pytest_sandbox._shared.tar.reader import Reader
from pytest_sandbox.client.exceptions import UnsafeArchiveError
from pytest_sandbox.client.files.unpack import unpack as unpack_on_the_host
from pytest_sandbox.fakes.files import tar as memory
from pytest_sandbox.fakes.files.disk import Disk
from pytest_sandbox.fakes.files.vfs import Filesystem


def with_checksum(block: bytes) -> bytes:
    blank = block[:148] + b" " * 8 + block[156:]
    return block[:148] + b"%06o\0 " % sum(blank) + block[156:]


FIELDS = {"name": 0, "mode": 100, "uid": 108, "gid": 116, "size": 124, "mtime": 136}
FIELDS |= {"type": 156, "target": 157, "magic": 257, "device": 329, "prefix": 345, "sparse": 386}
TYPES = st.sampled_from([*b"01234567xXgLKSZ\0"]).map(lambda number: bytes([number]))
KEYS = st.sampled_from(
    [
        "path",
        "linkpath",
        "size",
        "mtime",
        "uid",
        "gid",
        "GNU.sparse.major",
        "GNU.sparse.minor",
        "GNU.sparse.map",
        "GNU.sparse.size",
        "GNU.sparse.realsize",
        "GNU.sparse.name",
        "GNU.sparse.offset",
        "GNU.sparse.numbytes",
    ]
)
NUMBERS = ["-1", "0", "1", "9", "0,9", "9,", "-4.5", "1e9", "inf", "nan", "²"]
NAMES = ["", ".", "..", "a", "a/b", "/a", "a\0b", "n" * 300]
VALUES = st.sampled_from([*NUMBERS, *NAMES, str(2**31), str(2**63), str(2**70), "7" * 5000])


def damaged(block: bytes, damage: dict[str, bytes]) -> bytes:
    for field, data in damage.items():
        start = FIELDS[field]
        block = block[:start] + data[: BLOCK - start] + block[start + len(data) :]
    return with_checksum(block[:BLOCK])


headers = st.builds(
    lambda kind, damage: damaged(
        tarfile.TarInfo("a").tobuf()[:156] + kind + tarfile.TarInfo("a").tobuf()[157:], damage
    ),
    TYPES,
    st.dictionaries(st.sampled_from(sorted(FIELDS)), st.binary(max_size=30), max_size=2),
)


def with_payload(kind: bytes, payload: bytes) -> bytes:
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, len(payload)
    return info.tobuf() + payload + bytes(-len(payload) % BLOCK)


def extended(records: list[tuple[str, str]]) -> bytes:
    return with_payload(tarfile.XHDTYPE, pax.encode(records))


streams = st.lists(
    st.one_of(
        headers,
        st.lists(st.tuples(KEYS, VALUES), max_size=4).map(extended),
        st.binary(min_size=BLOCK, max_size=BLOCK),
        st.just(b"1\n0\n9\n".ljust(BLOCK, b"\0")),
    ),
    max_size=6,
).map(b"".join)


@settings(
    deadline=None,
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(stream=streams)
def test_any_bytes_end_in_success_or_in_the_documented_error(
    tmp_path_factory: pytest.TempPathFactory, stream: bytes
) -> None:
    """The client's error is `UnsafeArchiveError`, that of the rest `OSError`."""
    folder = tmp_path_factory.mktemp("target")
    with suppress(UnsafeArchiveError, OSError):
        unpack_on_the_host(io.BytesIO(stream), str(folder), outside_links=False)

    number: int | None = 0
    try:
        memory.unpack(Filesystem(Disk(lambda: 0)), "/", stream)
    except OSError as error:
        number = error.errno
    assert number not in (None, errno.EIO)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (-4_500_000_000, "-4.5"),
        (-1, "-0.000000001"),
        (0, "0"),
        (10**9, "1"),
        (1_234_567_890_123_456_789, "1234567890.123456789"),
    ],
)
def test_times_are_exact_in_text(nanoseconds: int, text: str) -> None:
    assert numbers.format_time(nanoseconds) == text
    assert numbers.parse_time(text) == nanoseconds


@given(nanoseconds=st.integers(-(2**63), 2**63))
def test_times_come_back_from_a_tar(nanoseconds: int) -> None:
    data = b"".join(writer.write(Member("d", MemberKind.DIRECTORY, mtime_ns=nanoseconds)))

    (member,) = Reader(io.BytesIO(data).read)

    assert member.mtime_ns == nanoseconds


@pytest.mark.parametrize("number", [0, 1, 2**40, -1, -(2**40)])
def test_binary_numbers_are_read(number: int) -> None:
    mark = 1 << 95
    field = ((number + (mark << 1)) % (mark << 1) | mark).to_bytes(12, "big")

    assert numbers.parse_field(field) == number


def test_a_wrong_checksum_is_an_error() -> None:
    block = bytearray(tarfile.TarInfo("a").tobuf())
    block[0] += 1

    with pytest.raises(TarError, match="checksum"):
        Header(bytes(block))


def test_a_checksum_of_signed_characters_is_taken() -> None:
    block = bytearray(tarfile.TarInfo("ä").tobuf(tarfile.GNU_FORMAT))
    signed = sum(byte - 256 * (byte > 127) for byte in block[:148] + b" " * 8 + block[156:])
    block[148:156] = b"%06o\0 " % signed
    assert Header(bytes(block)).name == "ä"


MEMBER = tarfile.TarInfo("a").tobuf()
#: A header with a small map of holes: such records repeat.
PARTS = [("GNU.sparse.offset", "0"), ("GNU.sparse.numbytes", "0")]


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        pytest.param(
            [extended([("path", "n" * (3 << 20))])] * 2, "extended header cannot have", id="x"
        ),
        pytest.param(
            [with_payload(kind, b"n" * (3 << 20)) for kind in (b"L", b"K")],
            "extended header cannot have",
            id="long names",
        ),
        pytest.param([extended(PARTS * 5000)] * 8, "extended records", id="records"),
        pytest.param([with_payload(b"L", b"n")] * 70_000, "extended records", id="short names"),
        pytest.param(
            [
                with_payload(b"g", pax.encode([(key, "n" * 5000)])) + MEMBER
                for key in ("path", "linkpath")
            ],
            "for all members",
            id="g",
        ),
    ],
)
def test_extended_headers_are_not_collected_without_limit(headers: list[bytes], error: str) -> None:
    with pytest.raises(TarError, match=error):
        list(Reader(io.BytesIO(b"".join([*headers, MEMBER])).read))


@pytest.mark.parametrize("kind", [b"x", b"g"])
def test_records_that_mean_nothing_to_the_reader_take_no_memory(kind: bytes) -> None:
    records = pax.encode([(f"k{number}", "v") for number in range(50_000)])
    stream = io.BytesIO(with_payload(kind, records) + MEMBER)

    tracemalloc.start()
    try:
        (member,) = Reader(stream.read)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert member.name == "a"
    assert peak < 3 * len(records)


def test_a_line_without_end_in_a_map_of_holes_is_refused_after_one_block() -> None:
    blocks = 0

    def read_block() -> bytes:
        nonlocal blocks
        blocks += 1
        return b"1" * BLOCK

    with pytest.raises(TarError, match="too long for a number"):
        sparse.before_data(read_block)

    assert blocks == 1


def test_a_number_of_a_map_of_holes_may_cross_blocks() -> None:
    extents = [(12_345 * number, 1) for number in range(500)]
    stream = io.BytesIO(sparse.encode(extents, 10**9))

    assert sparse.before_data(lambda: stream.read(BLOCK)) == [*extents, (10**9, 0)]


def test_a_directory_and_a_file_that_vanish_are_left_out(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_text(name)
    chunks = DiskSource(str(tmp_path)).pack(itself=True)
    data = next(chunks)  # the directory itself; its names were read
    (tmp_path / "b" / "f").unlink()
    (tmp_path / "b").rmdir()
    (tmp_path / "c" / "f").unlink()
    data += b"".join(chunks)

    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames() == [".", "a", "c", "a/f"]


def test_another_name_of_a_vanished_file_is_not_a_link_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("text")
    os.link(tmp_path / "a", tmp_path / "b")
    os.link(tmp_path / "a", tmp_path / "c")
    chunks = DiskSource(str(tmp_path)).pack(itself=True)
    data = next(chunks)
    (tmp_path / "a").unlink()
    data += b"".join(chunks)

    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = {info.name: info for info in archive}
    assert members["b"].isreg()
    assert (members["c"].islnk(), members["c"].linkname) == (True, "b")


def deep(depth: int) -> bytes:
    """A tar of one directory, so many levels down."""
    path = extended([("path", "/".join(["a"] * depth))])
    info = tarfile.TarInfo("a")
    info.type = tarfile.DIRTYPE
    return path + info.tobuf() + bytes(2 * BLOCK)


@pytest.mark.parametrize("where", ["disk", "memory"])
def test_a_deep_path_takes_memory_as_it_is_long(tmp_path: Path, where: str) -> None:
    data = deep(1500)
    assert len(data) < 6000
    fs = Filesystem(Disk(lambda: 0))

    tracemalloc.start()
    try:
        if where == "disk":
            unpack_on_the_host(io.BytesIO(data), str(tmp_path), outside_links=False)
        else:
            memory.unpack(fs, "/", data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        # Removing such a tree, pytest would call itself once for each level.
        subprocess.run(["rm", "-rf", tmp_path / "a"], check=True)

    assert peak < 4 << 20
