"""Reading standard output and standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar, cast

from pytest_sandbox._shared.pickling import Unpicklable

from ..exceptions import InvalidError
from ..transport.blocking import warn_in_coroutine
from ..transport.dual import dual, faces
from ..transport.reading import Reading
from .decoding import decode
from .output import STDOUT
from .splitting import split, split_all, splitter
from .stream_type import StreamType

if TYPE_CHECKING:
    from typing_extensions import Self

    from .output import OutputStream

__tracebackhide__ = True  # a failing test shows the caller's line, not these

T = TypeVar("T", str, bytes)


class StreamReader(Unpicklable, Generic[T]):
    """Reads what a command or a sandbox writes to one of its streams.

    It is an iterator, for `for` and for `async for`: over chunks as they come, or over lines.
    Text is decoded as UTF-8. No more than a few MiB are fetched ahead: a program whose output is
    not read will block, as with a pipe.

    A read that is cancelled, times out or is interrupted loses nothing: the next one
    continues where it was. After an error too, the next read continues behind what was read. One
    task or thread reads at a time.

    Args:
        output: the stream of bytes.
        file_descriptor: 1 for standard output, 2 for standard error.
        owner: whose stream it is, for errors.
        text: give `str`, not `bytes`.
        by_line: give whole lines, not chunks.
        stream_type: where the output goes; it can be read from a `PIPE` only.
    """

    instead = "read it here and pass the data, or pass the sandbox and call exec() there"

    def __init__(
        self,
        output: OutputStream,
        file_descriptor: int,
        owner: str,
        *,
        text: bool,
        by_line: bool,
        stream_type: StreamType = StreamType.PIPE,
    ) -> None:
        if by_line and not text:
            raise ValueError("lines are given as text only: bufsize=1 needs text=True")
        self._file_descriptor = file_descriptor
        self._name = "stdout" if file_descriptor == STDOUT else "stderr"
        self._stream_type = stream_type
        self._text = text
        self._owner = owner
        state = splitter(text=text, by_line=by_line)
        self._items: Reading[bytes] = Reading(
            lambda: split(output.chunks(), state), f"{self._name} of {owner}"
        )
        if stream_type is StreamType.PIPE:  # else nobody reads it here
            output.offer_to(
                self._items, lambda data: split_all(data, splitter(text=text, by_line=by_line))
            )

    def __repr__(self) -> str:
        return f"<{self._name} of {self._owner}; read() gives its text>"

    @property
    def file_descriptor(self) -> int:
        """1 for standard output, 2 for standard error."""
        return self._file_descriptor

    def _read(self) -> T:
        self._check_pipe()
        return self._items.rest(self._joined)

    async def _read_aio(self) -> T:
        """All that has not been read yet, up to the end of the stream.

        Raises:
            UnicodeDecodeError: it is not UTF-8, and was asked for as text; its `object` has the
                bytes, and the next read continues behind them.
            ConcurrentReadError: another task or thread is reading it.
            StreamClosedError: `aclose` was called meanwhile.
            DataLossError: it was read before, and has made room for newer output.
            ValueError, InvalidError: the stream goes to `DEVNULL`, or is printed.
        """
        self._check_pipe()
        return await self._items.rest_aio(self._joined)

    read = faces(_read, _read_aio)

    def __iter__(self) -> Self:
        self._check_pipe()
        return self

    def __next__(self) -> T:
        self._check_pipe()
        warn_in_coroutine(f"reading {self._name}", f"`async for` or {self._name}.read.aio()")
        return self._items.next(self._given)

    def __aiter__(self) -> Self:
        self._check_pipe()
        return self

    async def __anext__(self) -> T:
        self._check_pipe()
        return await self._items.next_aio(self._given)

    @dual
    async def aclose(self) -> None:
        """Stop reading and free the connection: further reads find the end of the stream.

        A read in progress raises `StreamClosedError`.
        """
        await self._items.aclose()

    @dual
    async def close(self) -> None:
        """The same as `aclose`, under the name that newer clients of Modal have for it."""
        await self._items.aclose()

    def _given(self, item: bytes) -> T:
        return cast("T", decode(item, "exec(..., text=False)") if self._text else item)

    def _joined(self, items: list[bytes]) -> T:
        return self._given(b"".join(items))

    def _check_pipe(self) -> None:
        name = self._name
        if self._stream_type is StreamType.DEVNULL:
            raise ValueError(f"{name} goes to DEVNULL, so it cannot be read; use {name}=PIPE")
        if self._stream_type is StreamType.STDOUT:
            raise InvalidError(
                f"{name}=STDOUT prints the output, so it cannot be read; use {name}=PIPE"
            )
