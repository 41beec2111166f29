"""Blocks of headers, against `hpack`."""

from typing import Any

import pytest
from hpack import Decoder, Encoder, HPACKError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_sandbox._http2.headers import HeaderDecoder, HeaderEncoder

MOST = 16 * 1024
#: How long an example takes says nothing on a busy machine.
calm = settings(deadline=None, max_examples=40)
REQUEST = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/modal.client.ModalClient/SandboxCreate"),
    (":authority", "127.0.0.1:50051"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
    ("user-agent", "grpc-python-grpclib/0.4.9"),
    ("x-idempotency-key", "c0ffee"),
    ("authorization", "Bearer " + "x" * 300),
    ("x-empty", ""),
]
WORD = st.text("abcdefghij-", max_size=12)
text = st.text(st.characters(codec="ascii"), min_size=1, max_size=200)
headers = st.lists(
    st.tuples(
        st.sampled_from([name for name, _ in REQUEST]) | text,
        st.sampled_from([value for _, value in REQUEST]) | text,
    ),
    max_size=12,
)


def read(decoder: Decoder, block: bytes) -> list[Any]:
    return [tuple(header) for header in decoder.decode(block)]


@calm
@given(headers)
@example(REQUEST)
def test_what_is_written_is_read(given_headers: list[tuple[str, str]]) -> None:
    block = HeaderEncoder().encode(given_headers)

    assert read(Decoder(), block) == given_headers
    assert list(HeaderDecoder(2**20).decode(block)) == given_headers


@calm
@given(st.lists(headers, max_size=4), st.booleans())
@example([REQUEST, REQUEST], True)
def test_what_others_write_is_read(blocks: list[list[tuple[str, str]]], huffman: bool) -> None:
    encoder, decoder = Encoder(), HeaderDecoder(2**20)

    for block in blocks:
        assert list(decoder.decode(encoder.encode(block, huffman))) == block


@calm
@given(st.lists(st.tuples(WORD, WORD), min_size=1, max_size=4), st.data())
def test_blocks_of_one_size_are_told_apart(
    pairs: list[tuple[str, str]], data: st.DataObject
) -> None:
    """Also where other bytes of them are names, and values."""
    encoder, decoder = HeaderEncoder(), HeaderDecoder(2**20)
    first = [(f"x-{name}", value) for name, value in pairs]
    second = []
    for name, value in first:
        cut = data.draw(st.integers(1, len(name) + len(value)))
        second.append(((name + value)[:cut], (name + value)[cut:]))

    for given_headers in (first, second, first[::-1]):
        block = encoder.encode(given_headers)
        assert list(decoder.decode(block)) == read(Decoder(), block) == given_headers


@calm
@given(st.binary(max_size=40))
@example(bytes.fromhex("0085f2b24a84ff874a510a1f"))
@example(b"\x0f\xff\xff\xff\xff\x0f\x00")
@example(b"\x82\x3f\xe1\x1f")
@example(b"\x00\x7f\xff\xff")
@example(b"\xbf\xc0")
def test_any_bytes_are_read_as_hpack_reads_them(block: bytes) -> None:
    try:
        pairs = Decoder(MOST).decode(block, raw=True)
        expected = [(name.decode("ascii"), value.decode("ascii")) for name, value in pairs]
    except (HPACKError, UnicodeDecodeError) as error:
        with pytest.raises(type(error)):
            HeaderDecoder(MOST).decode(block)
    else:
        assert list(HeaderDecoder(MOST).decode(block)) == expected


def test_headers_that_take_too_much_are_refused() -> None:
    block = b"\x82" * 1000  # `:method: GET`, which takes 42 bytes, in one

    with pytest.raises(HPACKError):
        HeaderDecoder(MOST).decode(block)


def test_a_peer_with_a_small_table_is_told_that_it_is_small() -> None:
    encoder, decoder = HeaderEncoder(), Decoder()
    decoder.max_allowed_table_size = 100
    encoder.shrink_table(100)

    for _ in range(2):
        assert read(decoder, encoder.encode(REQUEST)) == REQUEST
