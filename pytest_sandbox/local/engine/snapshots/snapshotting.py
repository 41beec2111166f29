"""Keeping the files of one sandbox: which way is the cheapest, and the books about it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from pytest_sandbox._shared.async_tasks import finish
from pytest_sandbox.engine import (
    DirectorySnapshot,
    InvalidSpec,
    Snapshot,
    StoreFull,
    TaskEnded,
)

from ...protocol.common import Succeeded
from ...protocol.message import Message
from ...protocol.zygote import (
    LayerMade,
    MountRequest,
    SnapshotAtEndRequest,
    SnapshotByCopyRequest,
    SnapshotDirectoryRequest,
    SnapshotInPlaceRequest,
    UnmountRequest,
)
from .images import check_depth

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ...protocol.criu import DumpRequest, RestoreRequest
    from ..links.agent_link import AgentLink
    from ..links.pending_answers import Answer
    from ..links.zygote_link import ZygoteLink
    from .images import Images, Stack

A = TypeVar("A", bound=Message)


class Keeping:
    """The layers that a sandbox stands on, and those that are made of what it writes.

    Args:
        name: the zygote's name for the sandbox.
        zygote: what works on it.
        images: the engine's.
        stack: what it was made with.
    """

    def __init__(self, name: str, zygote: ZygoteLink, images: Images, stack: Stack) -> None:
        self.stack = stack
        self.name = name
        self._zygote = zygote
        self._images = images
        self._over = False
        self._turn = asyncio.Lock()
        images.hold(stack)

    def release(self) -> None:
        """The sandbox is over."""
        self._over = True
        self._images.release(self.stack)
        self.stack = ()

    async def snapshot(self, link: AgentLink, is_open: Callable[[], bool]) -> Snapshot:
        """Keep the files while the sandbox goes on.

        Args:
            link: its agent.
            is_open: whether a file of it is open outside, through which it can be written to.
        """
        return await finish(self._snapshot(link, is_open), self._images.forget)

    async def operate(
        self, request: DumpRequest | RestoreRequest, answer: type[A], fds: tuple[int, ...] = ()
    ) -> Answer[A]:
        """See `ZygoteLink.operate`."""
        return await self._zygote.operate(request, answer, fds)

    async def keep(self) -> Snapshot:
        """End the sandbox and keep its files."""
        return await finish(self._keep(), self._images.forget)

    async def snapshot_folder(self, link: AgentLink, path: str) -> DirectorySnapshot:
        """Keep a directory."""
        return await finish(self._snapshot_folder(link, path), self._images.forget)

    async def mount(self, path: str, snapshot: DirectorySnapshot | None) -> None:
        """Show a directory at another one."""
        stack = self._images.stack(snapshot) if snapshot is not None else ()
        with self._images.holding(stack):
            await self._images.bring(stack, self._zygote)
            try:
                async with self._turn:
                    await self._request(
                        MountRequest(name=self.name, path=path, layers=list(stack)), Succeeded
                    )
            except PermissionError as error:
                raise InvalidSpec(f"no image can be mounted at {path!r}") from error

    async def unmount(self, link: AgentLink, path: str) -> None:
        """Undo that."""
        await finish(self._unmount(link, path))

    async def _snapshot(self, link: AgentLink, is_open: Callable[[], bool]) -> Snapshot:
        async with self.kept(link, is_open) as (image, _):
            return image

    @contextlib.asynccontextmanager
    async def kept(
        self, link: AgentLink, is_open: Callable[[], bool], *, strictly: bool = False
    ) -> AsyncIterator[tuple[Snapshot, list[int]]]:
        """Keep the files; while inside, nothing of the sandbox runs, see `AgentLink.paused`.

        Yields the image, which an error inside lets go of, and what was stopped before.
        """
        async with self._turn:
            with self._images.holding(self.stack) as stack:
                check_depth(stack)
                async with link.paused(strictly=strictly) as pause:
                    image = await self._image(stack, in_place=pause.idle and not is_open())
                    try:
                        yield image, pause.stopped
                    except BaseException:
                        self._images.forget(image)
                        raise

    async def _image(self, stack: Stack, *, in_place: bool) -> Snapshot:
        layer = await self._swap() if in_place else None
        if layer is None:
            layer = await self._make(SnapshotByCopyRequest)
        elif not self._over:
            # The sandbox stands on it from now on.
            self._images.hold((layer,))
            self.stack = (layer, *stack)
        return self._images.add((layer, *stack))

    async def _swap(self) -> int | None:
        try:
            return await self._make(SnapshotInPlaceRequest)
        except OSError as error:
            if error.errno == errno.EBUSY:
                return None  # mounts lie in a way that is too much for it
            raise

    async def _keep(self) -> Snapshot:
        async with self._turn:
            with self._images.holding(self.stack) as stack:
                check_depth(stack)
                layer = await self._make(SnapshotAtEndRequest)
                return self._images.add((layer, *stack))

    async def _unmount(self, link: AgentLink, path: str) -> None:
        async with self._turn, link.paused():  # else the path might become another one's
            await self._request(UnmountRequest(name=self.name, path=path), Succeeded)

    async def _snapshot_folder(self, link: AgentLink, path: str) -> DirectorySnapshot:
        async with self._turn, link.paused():
            layer = await self._make(partial(SnapshotDirectoryRequest, path=path))
        return self._images.add_directory(layer)

    async def _make(self, kind: Callable[..., Message]) -> int:
        layer = self._images.new_layer()
        request = kind(name=self.name, layer=layer, room=self._images.room)
        answer = await self._request(request, LayerMade)
        self._images.made(layer, answer.size, self._zygote)
        return layer

    async def _request(self, request: Message, answer: type[A]) -> A:
        try:
            return await self._zygote.request(request, answer)
        except OSError as error:
            raise translated(error) from error


def translated(error: OSError) -> Exception:
    """What the kernel said, as what the contract has for it."""
    if error.errno == errno.ESRCH:
        return TaskEnded("the task is over")
    if error.errno in (errno.ENOSPC, errno.ENOMEM, errno.EAGAIN, errno.EDQUOT):
        return no_room(error)
    return error


def no_room(error: OSError) -> StoreFull:
    """Why nothing more can be kept."""
    return StoreFull(f"no room to keep it: {error.strerror}")
