"""Ranges of bytes of an open file, cut out or replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_sandbox._proto import containers_pb2 as pb

from ..exceptions import InvalidError
from ..transport.dual import dual_function
from .fileio import WRITE_CHUNK_SIZE

if TYPE_CHECKING:
    from .fileio import FileIO

__tracebackhide__ = True  # a failing test shows the caller's line, not these


@dual_function
async def delete_bytes(file: FileIO[Any], start: int | None = None, end: int | None = None) -> None:
    """Cut bytes out of a file.

    Args:
        file: open for writing.
        start: the first byte; the first of the file, if not given.
        end: the byte after the last; the end of the file, if not given.

    Raises:
        ValueError: `start` is not before `end`.
    """
    file.remote.check_writable()
    if start is not None and end is not None and start >= end:
        raise ValueError(f"start={start} is not before end={end}")
    request = pb.ContainerFileDeleteBytesRequest(
        file_descriptor=file.remote.descriptor, start_inclusive=start, end_exclusive=end
    )
    await file.remote.run(file_delete_bytes_request=request)


@dual_function
async def replace_bytes(
    file: FileIO[Any], data: bytes, start: int | None = None, end: int | None = None
) -> None:
    """Put other bytes, not necessarily as many, in place of bytes of a file.

    Args:
        file: open for writing.
        data: the bytes to put there, up to 16 MiB.
        start: the first byte to go; the first of the file, if not given.
        end: the byte after the last to go; the end of the file, if not given.

    Raises:
        InvalidError: `start` is not before `end`, or there are too many bytes.
    """
    file.remote.check_writable()
    if start is not None and end is not None and start >= end:
        raise InvalidError(f"start={start} is not before end={end}")
    if len(data) > WRITE_CHUNK_SIZE:
        raise InvalidError(f"{len(data)} bytes are more than {WRITE_CHUNK_SIZE} (16 MiB)")
    request = pb.ContainerFileWriteReplaceBytesRequest(
        file_descriptor=file.remote.descriptor, data=data, start_inclusive=start, end_exclusive=end
    )
    await file.remote.run(file_write_replace_bytes_request=request)
