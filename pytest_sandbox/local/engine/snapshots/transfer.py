"""Images as streams of bytes, for files that outlive the engine."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from typing import TYPE_CHECKING

from pytest_sandbox._shared.async_tasks import finish
from pytest_sandbox.engine import EngineUnavailable, InvalidSpec

from ...protocol.common import Succeeded
from ...protocol.zygote import ExportRequest, LayerMade, LoadRequest
from ..ready import read_now, readable, writable, write_now
from .images import Kind
from .snapshotting import no_room

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..links.zygote_link import ZygoteLink
    from .images import Images

_CHUNK = 256 * 1024
#: Begins every stream; the kind of image follows, then what `_archive` writes.
_MAGIC = b"pytest-sandbox image "
_LINE = 64


async def export(zygote: ZygoteLink, images: Images, name: str) -> AsyncIterator[bytes]:
    """An image as a stream; all of its layers merged into one.

    Raises:
        UnknownImage: there is no such image.
    """
    image = images.describe(name)
    with images.holding(image.stack) as stack:
        await images.bring(stack, zygote)
        read, write = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(read, False)
        done = asyncio.ensure_future(
            zygote.request(ExportRequest(layers=list(stack)), Succeeded, (write,))
        )
        try:
            yield _MAGIC + image.kind.name.encode() + b"\n"
            while data := await _read(read):
                yield data
            await done
        except OSError as error:
            raise EngineUnavailable(f"image {name!r} cannot be read: {error}") from error
        finally:
            os.close(read)  # whoever writes to it then gives up
            await asyncio.wait([done])
            done.cancelled() or done.exception()  # nobody else asks


async def load(zygote: ZygoteLink, images: Images, stream: AsyncIterator[bytes]) -> str:
    """Make an image of one layer of a stream.

    Raises:
        InvalidSpec: it is not what `export` gave, or it is not whole.
        StoreFull: no room for it.
    """
    kind, rest = await _first_line(stream)
    read, write = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(write, False)
    making = asyncio.ensure_future(_make(zygote, images, kind, read))
    try:
        with contextlib.suppress(BrokenPipeError):  # it has seen enough, and will say of what
            await _write(write, rest)
            async for data in stream:
                await _write(write, data)
    except BaseException:
        making.add_done_callback(lambda done: _discard(done, images))
        raise
    finally:
        os.close(write)  # if this is too early, nothing is made
    return await finish(making, images.forget)


async def _make(zygote: ZygoteLink, images: Images, kind: Kind, pipe: int) -> str:
    layer = images.new_layer()
    try:
        answer = await zygote.request(
            LoadRequest(layer=layer, room=images.room), LayerMade, (pipe,)
        )
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise InvalidSpec(f"the stream cannot be loaded: {error.strerror}") from error
        raise no_room(error) from error
    images.made(layer, answer.size, zygote)
    return images.add(kind, (layer,))


def _discard(done: asyncio.Future[str], images: Images) -> None:
    if not done.cancelled() and done.exception() is None:
        images.forget(done.result())


async def _first_line(stream: AsyncIterator[bytes]) -> tuple[Kind, bytes]:
    """What the stream is of, and what of it was read besides."""
    data = b""
    async for more in stream:
        data += more
        if b"\n" in data or len(data) > _LINE:
            break
    line, _, rest = data.partition(b"\n")
    kind = line.removeprefix(_MAGIC).decode("ascii", "replace")
    if not line.startswith(_MAGIC) or kind not in Kind.__members__:
        raise InvalidSpec(f"the stream is not an image: it begins with {line[:_LINE]!r}")
    return Kind[kind], rest


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
