"""Keeping the files of one sandbox: which way is the cheapest, and the books about it."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING

from pytest_sandbox.engine import StoreFull, TaskEnded

from ._images import Kind, check_depth

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ._agent_link import AgentLink
    from ._images import Images, Stack
    from ._wire import Message
    from ._zygote_link import ZygoteLink


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
        self._name = name
        self._zygote = zygote
        self._images = images
        self._turn = asyncio.Lock()
        images.hold(stack)

    def release(self) -> None:
        """The sandbox is over."""
        self._images.release(self.stack)
        self.stack = ()

    async def snapshot(self, link: AgentLink, is_open: Callable[[], bool]) -> str:
        """Keep the files while the sandbox goes on.

        Args:
            link: its agent.
            is_open: whether a file of it is open outside, through which it can be written to.
        """
        return await _whole(self._snapshot(link, is_open), self._images.forget)

    async def keep(self) -> str:
        """End the sandbox and keep its files."""
        return await _whole(self._keep(), self._images.forget)

    async def snapshot_folder(self, link: AgentLink, path: str) -> str:
        """Keep a directory."""
        return await _whole(self._snapshot_folder(link, path), self._images.forget)

    async def _snapshot(self, link: AgentLink, is_open: Callable[[], bool]) -> str:
        async with self._turn:
            check_depth(self.stack)
            async with link.halted() as idle:
                if idle and not is_open():
                    try:
                        layer = await self._make("swap")
                    except OSError as error:
                        if error.errno != errno.EBUSY:
                            raise _translated(error) from error
                    else:
                        # The sandbox stands on it from now on.
                        self._images.hold((layer,))
                        self.stack = (layer, *self.stack)
                        return self._images.add(Kind.FILES, self.stack)
                try:
                    layer = await self._make("copy")
                except OSError as error:
                    raise _translated(error) from error
        return self._images.add(Kind.FILES, (layer, *self.stack))

    async def _keep(self) -> str:
        async with self._turn:
            check_depth(self.stack)
            stack = self.stack
            self._images.hold(stack)
            try:
                layer = await self._make("keep")
                return self._images.add(Kind.FILES, (layer, *stack))
            except OSError as error:
                raise _translated(error) from error
            finally:
                self._images.release(stack)

    async def _snapshot_folder(self, link: AgentLink, path: str) -> str:
        async with self._turn, link.halted():
            folder = await link.folder(path)
            try:
                layer = await self._make("folder", (folder,))
            except OSError as error:
                raise _translated(error) from error
        return self._images.add(Kind.FOLDER, (layer,))

    async def _make(self, how: str, fds: tuple[int, ...] = ()) -> int:
        layer = self._images.new_layer()
        answer: Message = await self._zygote.request(
            how, fds, name=self._name, layer=layer, room=self._images.room
        )
        self._images.made(layer, answer["used"])
        return layer


async def _whole(work: Coroutine[None, None, str], forget: Callable[[str], None]) -> str:
    """Do work to its end, even if nobody waits for it; then its image is not wanted."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(lambda done: _unwanted(done, forget))
        raise


def _unwanted(done: asyncio.Future[str], forget: Callable[[str], None]) -> None:
    if not done.cancelled() and done.exception() is None:
        forget(done.result())


def _translated(error: OSError) -> Exception:
    if error.errno == errno.ESRCH:
        return TaskEnded("the task is over")
    if error.errno in (errno.ENOSPC, errno.ENOMEM, errno.EAGAIN, errno.EDQUOT):
        return StoreFull(f"no room to keep it: {error.strerror}")
    return error
