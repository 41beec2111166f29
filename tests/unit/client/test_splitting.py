"""A stream becomes the same items, wherever its chunks are cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sandbox.client.process.splitting import (
    Characters,
    Chunks,
    Lines,
    Splitter,
    splitter,
)

#: Many newlines, and characters of one to four bytes.
TEXT = st.text(alphabet="ab\n\r\0é€🎉", max_size=60)


@st.composite
def cut(draw: st.DrawFn, contents: st.SearchStrategy[bytes]) -> list[bytes]:
    data = draw(contents)
    borders = sorted(draw(st.lists(st.integers(0, len(data)), max_size=20)))
    edges = [0, *borders, len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def items_of(chunks: list[bytes], state: Splitter) -> list[bytes]:
    return [item for chunk in chunks for item in state.feed(chunk)] + state.end()


@given(
    cut(st.binary(max_size=60) | TEXT.map(str.encode)), st.sampled_from(Splitter.__subclasses__())
)
def test_items_together_are_what_came(chunks: list[bytes], kind: type[Splitter]) -> None:
    items = items_of(chunks, kind())

    assert b"".join(items) == b"".join(chunks)
    assert all(items)


@given(cut(TEXT.map(str.encode)))
def test_lines_do_not_depend_on_where_chunks_are_cut(chunks: list[bytes]) -> None:
    assert items_of(chunks, Lines()) == items_of([b"".join(chunks)], Lines())


@given(cut(TEXT.map(str.encode)))
def test_every_line_but_the_last_ends_with_its_only_newline(chunks: list[bytes]) -> None:
    lines = items_of(chunks, Lines())

    assert all(line.index(b"\n") == len(line) - 1 for line in lines[:-1])


@given(cut(TEXT.map(str.encode)), st.booleans())
def test_items_of_text_can_be_decoded_one_by_one(chunks: list[bytes], by_line: bool) -> None:
    items = items_of(chunks, splitter(text=True, by_line=by_line))

    assert "".join(item.decode() for item in items) == b"".join(chunks).decode()


@given(cut(TEXT.map(str.encode)))
def test_characters_hold_back_less_than_one(chunks: list[bytes]) -> None:
    state = Characters()
    came = given_out = 0
    for chunk in chunks:
        came += len(chunk)
        given_out += sum(map(len, state.feed(chunk)))
        assert came - given_out <= 3


@given(cut(st.binary(max_size=60)))
def test_bytes_come_as_they_are(chunks: list[bytes]) -> None:
    assert items_of(chunks, Chunks()) == [chunk for chunk in chunks if chunk]


@pytest.mark.parametrize(
    "chunks", [[b"ok", b"\xff"], [b"\xe2\x82"], [b"\xc3", b"("], [b"\x80" * 5]]
)
@pytest.mark.parametrize("by_line", [True, False])
def test_what_is_not_utf8_is_given_all_the_same(chunks: list[bytes], by_line: bool) -> None:
    items = items_of(chunks, splitter(text=True, by_line=by_line))

    with pytest.raises(UnicodeDecodeError):
        [item.decode() for item in items]


def test_a_line_is_given_as_soon_as_it_is_complete() -> None:
    lines = Lines()

    assert lines.feed(b"one") == []
    assert lines.feed(b"\ntwo\nth") == [b"one\n", b"two\n"]
    assert lines.end() == [b"th"]
