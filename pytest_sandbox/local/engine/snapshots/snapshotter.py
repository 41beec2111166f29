"""Taking snapshots of one sandbox, and mounting snapshots in it.

A snapshot of all files is taken in the cheapest way that works: if nothing runs in the sandbox, its
store becomes a layer and it gets a new one, which takes the same time whatever the size; else its
store is copied while everything in it is stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from pytest_sandbox._shared.async_tasks import background, finish, retrieve
from pytest_sandbox.engine import DirectorySnapshot, InvalidSpec, RootImage, Snapshot, StoreFull

from ...agents.pending_answers import wait_for
from ...protocol.common import Succeeded
from ...protocol.message import Message
from ...protocol.zygote import (
    LayerAtEnd,
    LayerMade,
    MountRequest,
    SnapshotAtEndRequest,
    SnapshotByCopyRequest,
    SnapshotDirectoryRequest,
    SnapshotInPlaceRequest,
    UnmountRequest,
)
from .layer_store import check_depth
from .snapshot_errors import snapshot_error

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable
    from typing import TypeAlias

    from ...agents.agent_link import AgentLink
    from ...agents.pending_answers import Answer
    from ...protocol.criu import DumpRequest, RestoreRequest
    from ..links.zygote_link import ZygoteLink
    from .layer_store import LayerStore, Stack

    #: Tells when a sandbox has a new store.
    _Replaced: TypeAlias = asyncio.Future[Answer[Succeeded]]

A = TypeVar("A", bound=Message)


class Snapshotter:
    """Takes snapshots of one sandbox. One operation runs at a time.

    Args:
        name: the zygote's name for the sandbox.
        zygote: what works on it.
        store: the engine's.
        stack: the layers that the sandbox was made from; it depends on them until `release`.
    """

    def __init__(self, name: str, zygote: ZygoteLink, store: LayerStore, stack: Stack) -> None:
        self.stack = stack
        self.name = name
        self._zygote = zygote
        self._store = store
        self._released = False
        self._last_stack: Stack = ()
        self._lock = asyncio.Lock()
        self._at_exit: asyncio.Future[Snapshot] | None = None
        # Whether all that it wrote is in its newest layer, as it has no new store yet.
        self._between = False
        store.hold(stack)

    def release(self) -> None:
        """Depend on nothing any more: the sandbox has ended."""
        self._released = True
        stack, self.stack = self.stack, ()
        if self._at_exit is not None and not self._at_exit.done():
            self._last_stack = stack
            self._at_exit.add_done_callback(lambda _: self._store.release(stack))
        else:
            self._store.release(stack)

    def order_exit_snapshot(self) -> LayerAtEnd:
        """Have a snapshot of all files taken once the sandbox has ended; part of its creation."""
        number, answer = self._zygote.answer_to_come(LayerMade)
        layer = self._store.new_layer()
        self._at_exit = asyncio.ensure_future(self._exit_snapshot(layer, answer))
        self._at_exit.add_done_callback(retrieve)
        return LayerAtEnd(number=number, layer=layer, room=self._store.room)

    async def exit_snapshot(self) -> Snapshot:
        """The snapshot that was ordered."""
        if self._at_exit is None:
            raise InvalidSpec("the sandbox was created without exit_snapshot")
        return await asyncio.shield(self._at_exit)

    async def snapshot(self, link: AgentLink, is_open: Callable[[], bool]) -> Snapshot:
        """Take a snapshot of all files; the sandbox continues.

        Returns as soon as nothing can change the snapshot: it may still be a while until the
        sandbox goes on, and serves requests.

        Args:
            link: its agent.
            is_open: whether a file of it is open in the engine, through which it can be written to.
        """
        taken: asyncio.Future[Snapshot] = asyncio.get_running_loop().create_future()
        whole = background(self._snapshot(link, is_open, taken))
        whole.add_done_callback(lambda _: _pass_error(whole, taken))
        return await finish(taken, self._store.forget)

    async def snapshot_at_end(self) -> Snapshot:
        """End the sandbox, then take a snapshot of all files."""
        return await finish(self._snapshot_at_end(), self._store.forget)

    async def snapshot_directory(self, link: AgentLink, path: str) -> DirectorySnapshot:
        """Take a snapshot of a directory."""
        return await finish(self._snapshot_directory(link, path), self._store.forget)

    async def mount(self, path: str, snapshot: DirectorySnapshot | RootImage | None) -> None:
        """Mount a directory, the root of an image, or an empty directory over another one."""
        stack = self._store.stack(snapshot) if snapshot is not None else ()
        with self._store.depending(stack):
            await self._store.share(stack, self._zygote)
            request = MountRequest(
                name=self.name,
                path=path,
                layers=list(stack),
                root=not isinstance(snapshot, DirectorySnapshot | None),
            )
            try:
                async with self._lock:
                    await self._request(request, Succeeded)
            except PermissionError as error:
                raise InvalidSpec(f"no image can be mounted at {path!r}") from error

    async def unmount(self, link: AgentLink, path: str) -> None:
        """Undo the latest `mount` at a path."""
        await finish(self._unmount(link, path))

    async def run_criu(self, request: DumpRequest, answer: type[A]) -> Answer[A]:
        """See `ZygoteLink.run_criu`."""
        return await self._zygote.run_criu(request, answer)

    def begin_criu(self, request: RestoreRequest, fds: tuple[int, ...]) -> socket.socket:
        """See `ZygoteLink.begin_criu`."""
        return self._zygote.begin_criu(request, fds)

    @contextlib.asynccontextmanager
    async def paused_snapshot(
        self,
        link: AgentLink,
        is_open: Callable[[], bool],
        *,
        strictly: bool = False,
        taken: Callable[[Snapshot], object] = lambda _: None,
    ) -> AsyncIterator[tuple[Snapshot, list[int]]]:
        """Take a snapshot of all files; while inside, nothing of the sandbox runs.

        Args:
            link: its agent; see `AgentLink.paused`.
            is_open: as for `snapshot`.
            strictly: whether processes that wait in the kernel must get out of there first.
            taken: called with the snapshot as soon as nothing can change it.

        Yields:
            The snapshot, which is forgotten if the body raises, and the pids of the processes that
            were stopped before.
        """
        async with self._lock:
            with self._store.depending(self.stack) as stack:
                check_depth(stack)
                async with link.paused(strictly=strictly) as pause:
                    in_place = pause.idle and not is_open()
                    layer, replaced = await self._take(stack, in_place=in_place)
                    snapshot = self._store.add((layer, *stack))
                    taken(snapshot)
                    if replaced is not None:
                        await self._go_on(link, replaced)
                    try:
                        yield snapshot, pause.stopped
                    except BaseException:
                        self._store.forget(snapshot)
                        raise

    async def _snapshot(
        self, link: AgentLink, is_open: Callable[[], bool], taken: asyncio.Future[Snapshot]
    ) -> None:
        async with self.paused_snapshot(link, is_open, taken=taken.set_result):
            pass

    async def _take(self, stack: Stack, *, in_place: bool) -> tuple[int, _Replaced | None]:
        """Make a layer; what tells of the sandbox's new store, if it is to have one."""
        if in_place:
            number, replaced = self._zygote.answer_to_come(Succeeded)
            try:
                layer = await self._make_layer(partial(SnapshotInPlaceRequest, replaced=number))
            except OSError as error:
                self._zygote.no_answer(number)
                if error.errno != errno.EBUSY:
                    raise
                # Mounts lie in a way that cannot be moved to a new root.
            except BaseException:
                self._zygote.no_answer(number)
                raise
            else:
                if not self._released:
                    self._between = True
                    # What the sandbox wrote so far is now a layer below its new store.
                    self._store.hold((layer,))
                    self.stack = (layer, *stack)
                return layer, replaced
        return await self._make_layer(SnapshotByCopyRequest), None

    async def _go_on(self, link: AgentLink, replaced: _Replaced) -> None:
        """Wait until the sandbox has a new store; without one it is ended."""
        try:
            await wait_for(replaced)
        except OSError as error:
            # It must not write any more: it would change the snapshot.
            why = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
            link.close(f"after a snapshot, which has all its files, it could not go on: {why}")
        else:
            self._between = False

    async def _snapshot_at_end(self) -> Snapshot:
        async with self._lock:
            with self._store.depending(self.stack) as stack:
                check_depth(stack)
                layer = await self._make_layer(SnapshotAtEndRequest)
                return self._store.add((layer, *stack))

    async def _exit_snapshot(
        self, layer: int, answer: asyncio.Future[Answer[LayerMade]]
    ) -> Snapshot:
        try:
            made, _ = await wait_for(answer)
        except OSError as error:
            if self._between:
                return self._store.add(self._whole_stack, layer)
            raise snapshot_error(error) from error
        stack = self._whole_stack
        room = self._store.room
        self._store.layer_made(layer, made.size, self._zygote)
        with self._store.depending((layer,)):
            check_depth(stack)
            if made.size > room:
                raise StoreFull(f"the files take {made.size} bytes, and there is room for {room}")
            return self._store.add((layer, *stack))

    @property
    def _whole_stack(self) -> Stack:
        """What the sandbox was made from, and a layer of each snapshot taken in place."""
        return self._last_stack if self._released else self.stack

    async def _unmount(self, link: AgentLink, path: str) -> None:
        # Paused: else a program could rename directories while the path is looked up.
        async with self._lock, link.paused():
            await self._request(UnmountRequest(name=self.name, path=path), Succeeded)

    async def _snapshot_directory(self, link: AgentLink, path: str) -> DirectorySnapshot:
        # Paused, so that the copy is of one moment.
        async with self._lock, link.paused():
            layer = await self._make_layer(partial(SnapshotDirectoryRequest, path=path))
        return self._store.add_directory(layer)

    async def _make_layer(self, kind: Callable[..., Message]) -> int:
        layer = self._store.new_layer()
        request = kind(name=self.name, layer=layer, room=self._store.room)
        answer = await self._request(request, LayerMade)
        self._store.layer_made(layer, answer.size, self._zygote)
        return layer

    async def _request(self, request: Message, answer: type[A]) -> A:
        try:
            return await self._zygote.request(request, answer)
        except OSError as error:
            raise snapshot_error(error) from error


def _pass_error(whole: asyncio.Task[None], taken: asyncio.Future[Snapshot]) -> None:
    """Have a snapshot fail that was not taken."""
    if not taken.done():
        if whole.cancelled():
            taken.cancel()
        elif (error := whole.exception()) is not None:
            taken.set_exception(error)
