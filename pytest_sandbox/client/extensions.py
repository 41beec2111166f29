"""Calls about sandboxes and snapshots that servers of this package have and Modal's have not."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_sandbox._proto import extensions_pb2 as pb

from .image import Image, forget_image, image_id
from .memory_snapshot import SandboxSnapshot, forget_snapshot
from .transport.dual import dual
from .transport.portal import portal
from .transport.portal_call import delivered

if TYPE_CHECKING:
    from collections.abc import Callable

    from grpclib.client import UnaryUnaryMethod

    from pytest_sandbox._proto.extensions_grpc import ExtensionsStub

    from .base_client import BaseClient
    from .sandbox.sandbox import Sandbox

__tracebackhide__ = True  # a failing test shows the caller's line, not these

Req = TypeVar("Req")
Res = TypeVar("Res")


class Extensions:
    """Our own calls. Each blocks, and is awaited as `extensions.method.aio(...)`.

    Only engine processes of this package have them, and only on their Unix socket.

    Args:
        client: of that engine.
    """

    def __init__(self, client: BaseClient) -> None:
        self._client = client

    @dual
    async def create(self, /, **spec: Any) -> Sandbox:
        """Create a sandbox, and say that another such is likely to be created soon.

        That only affects speed, and only on engines that make sandboxes ahead.

        Args:
            **spec: as `Sandbox.create` takes it. Neither has a main process.

        Raises:
            Error: what `Sandbox.create` raises.
        """
        from .sandbox.creation import another_follows
        from .sandbox.sandbox import Sandbox  # late: it imports clients

        with another_follows():
            return await Sandbox.create.core(**{"client": self._client, **spec})

    @dual
    async def prepare(self, /, *args: str, **spec: Any) -> None:
        """Say that such a sandbox is likely to be created soon; this only affects speed.

        Args:
            *args: its main process.
            **spec: as `Sandbox.create` takes it.

        Raises:
            InvalidError, UnimplementedError: as `Sandbox.create` does.
        """
        from .sandbox.specification import define  # late: it needs much, and few call this

        wanted = await define(*args, **{"client": self._client, **spec})
        if wanted.secret_sources:
            return  # they come with the call that creates only
        request = pb.SandboxPrepareRequest(
            app_id=wanted.app_id, definition=wanted.definition, membership=wanted.membership
        )
        await self._ask(lambda stub: stub.SandboxPrepare, request)

    def prepare_in_background(self, /, *args: str, **spec: Any) -> None:
        """Call `prepare` without waiting; if it fails, nothing happens.

        Args:
            *args: as `prepare` takes them.
            **spec: as `prepare` takes it.
        """
        portal().submit(lambda: self._try_to_prepare(*args, **spec))

    async def _try_to_prepare(self, /, *args: str, **spec: Any) -> None:
        # A hint only affects speed: the test that it is for reports what is wrong with its spec.
        with contextlib.suppress(Exception):
            await self.prepare.core(*args, **spec)

    @dual
    async def snapshot_and_end(self, sandbox: Sandbox) -> Image:
        """Take a snapshot of the files of a sandbox and end it, which saves a copy.

        Args:
            sandbox: the sandbox; it is as if it had been terminated.

        Raises:
            NotFoundError: it is gone.
            ResourceExhaustedError: there is no room, and every stored snapshot is in use.
            UnimplementedError: the engine takes no snapshots of files.
        """
        return await delivered(self._ended(sandbox), self.forget_image.core)

    async def _ended(self, sandbox: Sandbox) -> Image:
        request = pb.SandboxSnapshotEndRequest(sandbox_id=sandbox.object_id)
        response = await self._ask(lambda stub: stub.SandboxSnapshotEnd, request)
        return Image.from_id(response.image_id)

    @dual
    async def keep_image(self, image: Image, key: str) -> None:
        """Store an image beyond this run, under a key, in place of what was stored under it.

        The store has a limit; the least recently used image is evicted first.

        Args:
            image: what `Sandbox.snapshot_filesystem` returned.
            key: any text; it should identify everything that the image was made from.

        Raises:
            NotFoundError: there is no such image.
            InvalidError: it is not a snapshot.
            ResourceExhaustedError: it is larger than the limit, or the disk is full.
            UnimplementedError: the engine's images do not outlive it.
        """
        request = pb.ImageKeepRequest(image_id=await image_id(image, self._client), key=key)
        await self._ask(lambda stub: stub.ImageKeep, request, timeout=None)

    @dual
    async def recall_image(self, key: str) -> Image | None:
        """The image that is stored under a key; `None` if none is that fits this engine.

        Args:
            key: that of `keep_image`, in this run or an earlier one.

        Raises:
            ResourceExhaustedError: the engine has no room for it.
        """
        return await delivered(self._recalled(key), self._let_go)

    async def _recalled(self, key: str) -> Image | None:
        request = pb.ImageRecallRequest(key=key)
        response = await self._ask(lambda stub: stub.ImageRecall, request, timeout=None)
        return Image.from_id(response.image_id) if response.image_id else None

    async def _let_go(self, image: Image | None) -> None:
        if image is not None:
            await self.forget_image.core(image)

    @dual
    async def forget_image(self, image: Image) -> None:
        """Delete a snapshot of files; it need not exist any more.

        Sandboxes made from it, and snapshots of these, stay.

        Args:
            image: what `Sandbox.snapshot_filesystem` or `snapshot_directory` returned.

        Raises:
            InvalidError: it is not a snapshot.
        """
        await forget_image(image, self._client)

    @dual
    async def forget_snapshot(self, snapshot: SandboxSnapshot) -> None:
        """Delete a snapshot of files and programs; it need not exist any more.

        Args:
            snapshot: what `Sandbox._experimental_snapshot` returned.
        """
        await forget_snapshot(snapshot, self._client.calls)

    async def _ask(
        self,
        method: Callable[[ExtensionsStub], UnaryUnaryMethod[Req, Res]],
        request: Req,
        **options: float | None,
    ) -> Res:
        return await self._client.calls.control(
            lambda link: method(link.extensions), request, **options
        )
