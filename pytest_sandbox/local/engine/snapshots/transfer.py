"""Snapshots of files as streams of bytes, for archives that outlive the engine."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
from typing import TYPE_CHECKING

from pytest_sandbox._shared.async_tasks import finish, undo_when_done
from pytest_sandbox.engine import EngineUnavailable, InvalidSpec, Snapshot, StoreFull

from ...agents.ready import read_now, readable, writable, write_now
from ...protocol.common import Succeeded
from ...protocol.zygote import ExportRequest, LayerMade, LoadRequest
from .layer_store import check_depth
from .snapshot_errors import no_room

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from ..links.zygote_link import ZygoteLink
    from .layer_store import LayerStore, Stack

_CHUNK = 256 * 1024
#: Every stream begins with one of these; then follows what `archive` writes.
_MAGIC = b"pytest-sandbox image FILES\n"
#: Before the names, with spaces between them, of the layers that it is on, and a newline.
_ON_LAYERS = b"pytest-sandbox image LAYERS "
#: What was written above another snapshot.
_ABOVE = b"pytest-sandbox image ABOVE\n"
#: Bytes of a first line: an image has at most 127 layers.
_LONGEST = 16 * 1024
_LAYER = re.compile("sha256:[0-9a-f]{64}")


async def export(
    zygote: ZygoteLink, store: LayerStore, snapshot: Snapshot, below: Snapshot | None
) -> AsyncIterator[bytes]:
    """A snapshot as a stream; all of its layers, or those above another one, merged into one.

    Raises:
        InvalidSpec: it was not made from `below`.
        UnknownImage: there is no such snapshot.
    """
    with store.depending(store.stack(snapshot)) as stack:
        await store.share(stack, zygote)
        written, folders = store.split(stack)
        line = _first_line(folders)
        if below is not None:
            under = store.stack(below)
            if stack[-len(under) :] != under:
                raise InvalidSpec(f"{snapshot.name!r} was not made from {below.name!r}")
            written, line = stack[: -len(under)], _ABOVE
        read, write = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(read, False)
        done = asyncio.ensure_future(
            zygote.request(ExportRequest(layers=list(written)), Succeeded, (write,))
        )
        try:
            yield line
            while data := await _read(read):
                yield data
            await done
        except OSError as error:
            raise EngineUnavailable(f"image {snapshot.name!r} cannot be read: {error}") from error
        finally:
            os.close(read)  # the helper that writes to it then gives up
            await asyncio.wait([done])
            done.cancelled() or done.exception()  # else asyncio logs it as never retrieved


def _first_line(folders: list[str]) -> bytes:
    # `layers/<digits>/files`
    names = [f"sha256:{folder.split('/')[1]}" for folder in folders]
    return _ON_LAYERS + " ".join(names).encode() + b"\n" if names else _MAGIC


async def load(
    zygote: ZygoteLink,
    store: LayerStore,
    stream: AsyncIterator[bytes],
    stored: Callable[[list[str]], Awaitable[Stack]],
    below: Snapshot | None,
) -> Snapshot:
    """Make a snapshot of one layer of a stream, and of those below it.

    Args:
        zygote: makes it.
        store: the engine's.
        stream: what `export` gave.
        stored: gives the layers of an image that it is on, by their names.
        below: has the files below those in the stream.

    Raises:
        InvalidSpec: it is not what `export` gave, or it is not whole.
        StoreFull: no room for it.
    """
    line, rest = await _after_first_line(stream)
    if line == _ABOVE:
        if below is None:
            raise InvalidSpec("the stream is of changes to a snapshot that was not given")
        under = store.stack(below)
    else:
        under = await stored(_names(line)) if line != _MAGIC else ()
    read, write = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(write, False)
    making = asyncio.ensure_future(_make(zygote, store, read, under))
    try:
        with contextlib.suppress(BrokenPipeError):  # the helper has found a fault, and reports it
            await _write(write, rest)
            async for data in stream:
                await _write(write, data)
    except BaseException:
        undo_when_done(making, store.forget)
        raise
    finally:
        os.close(write)  # a stream that ends early has no checksum, so nothing is made of it
    return await finish(making, store.forget)


async def _make(zygote: ZygoteLink, store: LayerStore, pipe: int, below: Stack) -> Snapshot:
    try:
        check_depth(below)
    except StoreFull:
        os.close(pipe)
        raise
    with store.depending(below):
        layer = await load_layer(zygote, store, pipe)
        return store.add((layer, *below))


async def load_layer(zygote: ZygoteLink, store: LayerStore, pipe: int) -> int:
    """Make a layer, on which nothing depends yet, of what comes from a pipe; closes it.

    Raises:
        InvalidSpec: it is not what `export` gave, or it is not whole.
        StoreFull: no room for it.
    """
    layer = store.new_layer()
    try:
        answer = await zygote.request(LoadRequest(layer=layer, room=store.room), LayerMade, (pipe,))
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise InvalidSpec(f"the stream cannot be loaded: {error.strerror}") from error
        raise no_room(error) from error
    store.layer_made(layer, answer.size, zygote)
    return layer


async def _after_first_line(stream: AsyncIterator[bytes]) -> tuple[bytes, bytes]:
    """The first line, and what was read besides."""
    data = b""
    async for more in stream:
        data += more
        if b"\n" in data or len(data) > _LONGEST:
            break
    line, newline, rest = data.partition(b"\n")
    line += newline
    if line in (_MAGIC, _ABOVE) or (newline and all(map(_LAYER.fullmatch, _names(line)))):
        return line, rest
    raise InvalidSpec(f"the stream is not an image: it begins with {data[: len(_MAGIC)]!r}")


def _names(line: bytes) -> list[str]:
    """The layers that a first line names; one that is none if it is another line."""
    text = line.removeprefix(_ON_LAYERS) if line.startswith(_ON_LAYERS) else b"?"
    return text.decode("latin-1").removesuffix("\n").split(" ")


async def _read(fd: int) -> bytes:
    while (data := read_now(fd, _CHUNK)) is None:
        await readable(fd)
    return data


async def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        written = write_now(fd, view)
        view = view[written:]
        if not written:
            await writable(fd)
