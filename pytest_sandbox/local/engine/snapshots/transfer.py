"""Snapshots of files as streams of bytes, for archives that outlive the engine."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
from typing import TYPE_CHECKING

from pytest_sandbox._shared.async_tasks import finish, undo_when_done
from pytest_sandbox.engine import EngineUnavailable, InvalidSpec, Snapshot

from ...protocol.common import Succeeded
from ...protocol.zygote import ExportRequest, LayerMade, LoadRequest
from ..ready import read_now, readable, writable, write_now
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
#: Bytes of a first line: an image has at most 127 layers.
_LONGEST = 16 * 1024
_LAYER = re.compile("sha256:[0-9a-f]{64}")


async def export(zygote: ZygoteLink, store: LayerStore, snapshot: Snapshot) -> AsyncIterator[bytes]:
    """A snapshot as a stream; all of its layers merged into one.

    Raises:
        UnknownImage: there is no such snapshot.
    """
    with store.depending(store.stack(snapshot)) as stack:
        await store.share(stack, zygote)
        written, folders = store.split(stack)
        read, write = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(read, False)
        done = asyncio.ensure_future(
            zygote.request(ExportRequest(layers=list(written)), Succeeded, (write,))
        )
        try:
            yield _first_line(folders)
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
) -> Snapshot:
    """Make a snapshot of one layer of a stream.

    Args:
        zygote: makes it.
        store: the engine's.
        stream: what `export` gave.
        stored: gives the layers of an image that it is on, by their names.

    Raises:
        InvalidSpec: it is not what `export` gave, or it is not whole.
        StoreFull: no room for it.
    """
    names, rest = await _after_first_line(stream)
    below = await stored(names) if names else ()
    read, write = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(write, False)
    making = asyncio.ensure_future(_make(zygote, store, read, below))
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
    layer = store.new_layer()
    try:
        answer = await zygote.request(LoadRequest(layer=layer, room=store.room), LayerMade, (pipe,))
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise InvalidSpec(f"the stream cannot be loaded: {error.strerror}") from error
        raise no_room(error) from error
    store.layer_made(layer, answer.size, zygote)
    return store.add((layer, *below))


async def _after_first_line(stream: AsyncIterator[bytes]) -> tuple[list[str], bytes]:
    """The names of the layers that it is on, and what was read besides the first line."""
    data = b""
    async for more in stream:
        data += more
        if b"\n" in data or len(data) > _LONGEST:
            break
    line, newline, rest = data.partition(b"\n")
    if line + newline == _MAGIC:
        return [], rest
    names = line[len(_ON_LAYERS) :].decode("latin-1").split(" ")
    if newline and line.startswith(_ON_LAYERS) and all(map(_LAYER.fullmatch, names)):
        return names, rest
    raise InvalidSpec(f"the stream is not an image: it begins with {data[: len(_MAGIC)]!r}")


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
