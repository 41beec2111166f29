"""Output as programs write it: in chunks that end anywhere."""

from collections.abc import Sequence

from hypothesis import strategies as st

#: What one `write` gave, and then the next.
Stream = tuple[bytes, ...]

#: Ends of lines of all kinds, characters of two to four bytes, an escape sequence of a terminal,
#: more than a pipe takes at once for sure (PIPE_BUF, see pipe(7)).
_TEXT = (
    *("\n", "\r\n", "\r", "\n\n", "line\n", "no end", "\xe9", "\u263a", "\U0001f600", "\ufeff"),
    *("\x1b[31mred\x1b[0m", "\0", "\x04", "x" * 4097),
)
#: What is no UTF-8: a lone byte, a character cut short, one encoded too long, half a pair.
_BINARY = (b"\xff", b"\x80", b"\xe2\x98", b"\xc0\xaf", b"\xed\xa0\x80")


def streams(*, utf8: bool = False, max_chunks: int = 8) -> st.SearchStrategy[Stream]:
    """The chunks of a stream, none of them empty; none at all for a stream that is empty.

    They end anywhere: within a character, between a carriage return and its line feed.

    Args:
        utf8: the whole is UTF-8, though a chunk may not be.
        max_chunks: how many there are at most.
    """
    piece = st.sampled_from(_TEXT).map(str.encode) | st.text(max_size=8).map(str.encode)
    if not utf8:
        piece = piece | st.sampled_from(_BINARY) | st.binary(max_size=8)
    return (
        st.lists(piece, max_size=max_chunks)
        .map(b"".join)
        .flatmap(lambda data: _cuts(len(data), max_chunks).map(lambda cuts: _split(data, cuts)))
    )


def _cuts(size: int, max_chunks: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(1, max(1, size - 1)), max_size=max_chunks - 1, unique=True)


def _split(data: bytes, cuts: Sequence[int]) -> Stream:
    ends = [*sorted(cuts), len(data)]
    chunks = (data[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True))
    return tuple(filter(None, chunks))
