"""The HTTP of scripted servers, given what no client should send."""

import asyncio
import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_sandbox.fakes.scripting.http import read_request, response

#: What requests are made of.
NEARLY = "GET /HTP1.0\r\n:x-chunked"


class Text:
    """A source of requests that has everything already."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    async def readline(self) -> bytes:
        return await self.read_exactly(self.data.find(b"\n") + 1 or len(self.data))

    async def read_exactly(self, size: int) -> bytes:
        taken, self.data = self.data[:size], self.data[size:]
        return taken


@settings(deadline=None)
@given(
    data=st.binary(max_size=60) | st.text("GET /HTP1.0\r\n:x-chunked", max_size=60).map(str.encode)
)
def test_any_bytes_are_a_request_or_a_value_error(data: bytes) -> None:
    for text in (data, b"GET / HTTP/1.1\r\n" + data):
        with contextlib.suppress(ValueError):
            asyncio.run(read_request(Text(text)))


@given(name=st.text("ab-\r\n", min_size=1), value=st.text("ab \r\n"), body=st.binary())
def test_no_header_begins_a_line_of_its_own(name: str, value: str, body: bytes) -> None:
    try:
        sent = response(200, body, {name: value})
    except ValueError:
        assert {"\r", "\n"} & {*name, *value}
    else:
        assert len(sent.removesuffix(body).split(b"\r\n")) == 6
