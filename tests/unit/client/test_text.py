"""Chunks of bytes become the same text and lines, wherever they are cut."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sandbox.client.process.decoding import Chunks, Lines

#: Many newlines, and characters of one to four bytes.
TEXT = st.text(alphabet="ab\n\r\0é€🎉", max_size=60)


@st.composite
def cut(draw: st.DrawFn, contents: st.SearchStrategy[bytes]) -> list[bytes]:
    data = draw(contents)
    borders = sorted(draw(st.lists(st.integers(0, len(data)), max_size=20)))
    edges = [0, *borders, len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def lines_of(chunks: list[bytes]) -> list[bytes]:
    lines = Lines()
    return [line for chunk in chunks for line in lines.feed(chunk)] + lines.end()


def items_of(chunks: list[bytes], *, text: bool, by_line: bool) -> list[Any]:
    reader: Chunks[str] = Chunks(text=text, by_line=by_line)
    return [item for chunk in chunks for item in reader.feed(chunk)] + reader.end()


@given(cut(st.binary(max_size=60) | TEXT.map(str.encode)))
def test_lines_together_are_what_came(chunks: list[bytes]) -> None:
    assert b"".join(lines_of(chunks)) == b"".join(chunks)


@given(cut(TEXT.map(str.encode)))
def test_lines_do_not_depend_on_where_chunks_are_cut(chunks: list[bytes]) -> None:
    assert lines_of(chunks) == lines_of([b"".join(chunks)])


@given(cut(TEXT.map(str.encode)))
def test_every_line_but_the_last_ends_with_its_only_newline(chunks: list[bytes]) -> None:
    lines = lines_of(chunks)

    assert all(line.index(b"\n") == len(line) - 1 for line in lines[:-1])
    assert all(lines)


@given(cut(TEXT.map(str.encode)), st.booleans())
def test_text_is_decoded_across_borders(chunks: list[bytes], by_line: bool) -> None:
    items = items_of(chunks, text=True, by_line=by_line)

    assert "".join(map(str, items)) == b"".join(chunks).decode()
    assert all(items)


@given(cut(st.binary(max_size=60)))
def test_bytes_come_as_they_are(chunks: list[bytes]) -> None:
    assert items_of(chunks, text=False, by_line=False) == [chunk for chunk in chunks if chunk]


@pytest.mark.parametrize("chunks", [[b"ok", b"\xff"], [b"\xe2\x82"], [b"\xc3", b"("]])
@pytest.mark.parametrize("by_line", [True, False])
def test_what_is_not_utf8_is_an_error(chunks: list[bytes], by_line: bool) -> None:
    with pytest.raises(UnicodeDecodeError):
        items_of(chunks, text=True, by_line=by_line)


def test_a_line_is_given_as_soon_as_it_is_complete() -> None:
    lines = Lines()

    assert lines.feed(b"one") == []
    assert lines.feed(b"\ntwo\nth") == [b"one\n", b"two\n"]
    assert lines.end() == [b"th"]
