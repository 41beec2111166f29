"""Strategies for tars that a hostile or broken sandbox might send."""

from __future__ import annotations

import tarfile

from hypothesis import strategies as st

from pytest_sandbox._shared.tar import pax, sparse
from pytest_sandbox._shared.tar.member import BLOCK

#: Names that stay below the directory, some of which are there before, and some that do not.
INSIDE = ["a", "a/b", "a/b/c", "d", "./d//e", "f", "there", "there/f", "link", "link/x", "up/x"]
OUTSIDE = ["..", "../out", "a/../../out", "/tmp/pytest-sandbox-no-such-file", ".", "", "a/.."]
NAMES = st.sampled_from([*INSIDE, *INSIDE, *OUTSIDE, "ä", "\udcff", "n" * 256, "x/" * 200])
TARGETS = st.sampled_from([*INSIDE, *INSIDE, *OUTSIDE, "../a", "none", "up", "t" * 5000])
NUMBERS = st.sampled_from(
    [
        *("0", "1", "511", "512", "513", "700", "4096", "-1", "07", "1e9", "nan", "²", "9" * 20),
        *(str(2**31), str(2**63 - 1), str(2**63), "7" * 5000, "0,1", "1,1,0,9", ","),
    ]
)
TIMES = st.sampled_from(["0", "-4.5", "1.000000001", "inf", "9" * 20, "-" + "9" * 19, ".", "1.x"])
KINDS = st.sampled_from([*b"000005551122634S7\0", *b"ZV"]).map(lambda byte: bytes([byte]))
SIZES = st.sampled_from([0, 0, 1, 511, 512, 513, 700, 5000])
#: Fields of a header with bytes that are not what the header says: sizes that lie, and nonsense.
LIES = {"mode": 100, "uid": 108, "gid": 116, "size": 124, "mtime": 136, "device": 329}
LIES |= {"sparse": 386, "extended": 482, "real size": 483, "prefix": 345, "magic": 257}
VALUES = st.one_of(
    st.sampled_from([b"\xff" * 8, b"\x80" + b"\x7f" * 11, b"0" * 11, b"0000777\0", b"7" * 12]),
    st.sampled_from([b"00000001000\0", b"\x80" + bytes(10) + b"\x01", b"..", b"-1", b"8"]),
    st.binary(min_size=1, max_size=12),
)


def signed(block: bytes) -> bytes:
    """A header with its right checksum."""
    blank = block[:148] + b" " * 8 + block[156:]
    return block[:148] + b"%06o\0 " % sum(blank) + block[156:]


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def header(
    name: str,
    kind: bytes,
    size: int,
    target: str = "",
    mode: int = 0o644,
    lie: tuple[str, bytes] | None = None,
) -> bytes:
    info = tarfile.TarInfo("x")
    info.size, info.mode, info.mtime = size, mode, 12345
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[:100] = name.encode("utf-8", "surrogateescape")[:100].ljust(100, b"\0")
    block[156:157] = kind
    block[157:257] = target.encode("utf-8", "surrogateescape")[:100].ljust(100, b"\0")
    if lie is not None:
        start = LIES[lie[0]]
        block[start : start + len(lie[1])] = lie[1]
    return signed(bytes(block[:BLOCK]))


def extended(kind: bytes, payload: bytes) -> bytes:
    return header("x", kind, len(payload)) + padded(payload)


records = st.lists(
    st.one_of(
        st.tuples(st.just("path"), NAMES),
        st.tuples(st.just("linkpath"), TARGETS),
        st.tuples(st.just("mtime"), TIMES),
        st.tuples(
            st.sampled_from(
                [
                    *("size", "uid", "gid", "GNU.sparse.major", "GNU.sparse.minor"),
                    *("GNU.sparse.map", "GNU.sparse.size", "GNU.sparse.realsize"),
                    *("GNU.sparse.offset", "GNU.sparse.numbytes"),
                ]
            ),
            NUMBERS,
        ),
    ),
    min_size=1,
    max_size=4,
)
prefixes = st.one_of(
    st.just(b""),
    st.just(b""),
    st.builds(
        lambda kind, each: extended(kind, pax.encode(each)), st.sampled_from([b"x", b"g"]), records
    ),
    st.builds(
        lambda kind, name: extended(kind, name.encode("utf-8", "surrogateescape") + b"\0"),
        st.sampled_from([b"L", b"K"]),
        NAMES,
    ),
    st.builds(
        lambda kind, data: extended(kind, data),
        st.sampled_from([b"x", b"g", b"L"]),
        st.binary(max_size=40),
    ),
)


@st.composite
def members(draw: st.DrawFn) -> bytes:
    """A header, perhaps with an extended one before it, and contents."""
    kind = draw(KINDS)
    size = draw(SIZES) if kind in b"07\0S" else 0
    lie = draw(st.none() | st.none() | st.tuples(st.sampled_from(sorted(LIES)), VALUES))
    mode = draw(st.sampled_from([0o644, 0o755, 0, 0o7777, 0o4755]))
    block = header(draw(NAMES), kind, size, draw(TARGETS), mode, lie)
    return draw(prefixes) + block + padded(b"x" * size)


def _sparse(name: str, extents: list[tuple[int, int]], size: int, data: bytes) -> bytes:
    """A member with holes, in the format of version 1.0."""
    content = sparse.encode(extents, size) + data
    said = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", name)]
    said.append(("GNU.sparse.realsize", str(size)))
    return extended(b"x", pax.encode(said)) + header("s", b"0", len(content)) + padded(content)


sparse_members = st.builds(
    _sparse,
    NAMES,
    st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 600)), max_size=3),
    st.sampled_from([0, 1, 9600, 10**6, 2**62, 2**63]),
    st.binary(max_size=700),
)


@st.composite
def tars(draw: st.DrawFn) -> bytes:
    """Members, of which one may come again, and what may happen to the bytes on their way."""
    parts = draw(st.lists(members() | sparse_members, min_size=1, max_size=6))
    if draw(st.booleans()):
        parts.append(draw(st.sampled_from(parts)))
    data = b"".join(parts) + bytes(2 * BLOCK)
    place = st.integers(0, len(data))
    match draw(
        st.sampled_from(["whole", "whole", "whole", "cut", "flip", "drop", "repeat", "swap"])
    ):
        case "cut":
            return data[: draw(place)]
        case "flip":
            at = draw(place)
            return data[:at] + draw(st.binary(min_size=1, max_size=3)) + data[at + 1 :]
        case "drop":
            start = draw(place)
            return data[:start] + data[start + draw(st.sampled_from([1, BLOCK, 700])) :]
        case "repeat":
            start = draw(place) // BLOCK * BLOCK
            return data[:start] + data[start : start + BLOCK] * 2 + data[start + BLOCK :]
        case "swap":
            at = draw(place) // BLOCK * BLOCK
            blocks = data[at : at + BLOCK], data[at + BLOCK : at + 2 * BLOCK]
            return data[:at] + blocks[1] + blocks[0] + data[at + 2 * BLOCK :]
    return data
