"""For each request about files: what a helper does, and what is to do when it is done."""

from __future__ import annotations

import os
from functools import partial

from ..agent import outlet
from ..filesystem.layers import IMAGES, check_room
from ..kernel import descriptors, namespaces
from ..kernel.tmpfs import usage
from ..protocol.common import Succeeded
from ..protocol.zygote import LayerMade, OutletMade
from . import archive, copy_store, directories, helper
from .images import unpacking
from .replace_store import StoreReplacement, to_move

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes
    from collections.abc import Callable, Sequence

    from ..kernel.calls import PreparedCalls
    from ..protocol import zygote as messages
    from ..protocol.images import RemoveUnpackedRequest, UnpackRequest
    from ..protocol.message import Message
    from .config import SandboxConfig
    from .helper import Work
    from .sandbox_record import SandboxRecord

#: Descriptors that the zygote needs to start a helper.
_OF_A_HELPER = 3


class HelperPlan:
    """A piece of work for a helper.

    Args:
        work: what the helper does.
        fds: descriptors that it needs.
        where: has calls prepared that the helper makes before the work: see `helper.enter`.
        succeeded: called with the descriptors that it sent; returns the answer for the engine.
        failed: called if anything went wrong.
        passes_on: whether the descriptors that it sent go to the engine, beside the answer.
        begun: called before there is a helper; returns a first answer for the engine.
        second: the number that the other answer has then.
        kept: see `Helper`.
    """

    def __init__(
        self,
        work: Work,
        fds: list[int],
        where: Callable[[PreparedCalls], None] = helper.here,
        succeeded: Callable[[list[int]], Message] = lambda _: Succeeded(),
        failed: Callable[[], None] = lambda: None,
        *,
        passes_on: bool = False,
        begun: Callable[[], Message] | None = None,
        second: int = 0,
        kept: Sequence[ctypes.c_long] = (),
    ) -> None:
        self.work = work
        self.fds = fds
        self.where = where
        self.succeeded = succeeded
        self.failed = failed
        self.passes_on = passes_on
        self.begun = begun
        self.second = second
        self.kept = kept


def snapshot_in_place(
    config: SandboxConfig, request: messages.SnapshotInPlaceRequest, record: SandboxRecord
) -> HelperPlan:
    """Make a layer of the store of a sandbox, then give it a new store over that layer.

    Nothing of the layer is the helper's work, so it is told of before there is one.
    """
    number, namespace = request.layer, record.mount_namespace
    stack = [number, *record.stack]
    trees = config.trees_of(record.stack, project=record.project)
    check_room(usage(record.store), request.room)
    move = to_move(record.pid, trees)
    descriptors.check_room(namespace, _OF_A_HELPER)  # from here on there is no way back
    answer = attach(config, number, record.store)
    replacement = StoreReplacement(config, trees, stack, namespace, move)

    def begun() -> Message:
        record.stack = stack
        record.begin_replacement()
        return answer

    def where(calls: PreparedCalls) -> None:
        helper.enter(namespace, config.mapped(stack), calls)
        replacement.prepare()

    def succeeded(fds: list[int]) -> Message:
        record.replace_store(fds[0])
        return Succeeded()

    return HelperPlan(
        # What it wrote so far is a layer now, which others may use.
        *(replacement.make, [namespace], where, succeeded, record.lose_store),
        begun=begun,
        second=request.replaced,
        kept=replacement.kept,
    )


def snapshot_by_copy(
    config: SandboxConfig, request: messages.SnapshotByCopyRequest, record: SandboxRecord
) -> HelperPlan:
    """Copy the store of a sandbox."""
    room, namespace, store = request.room, record.mount_namespace, record.store
    check_room(usage(store), room)

    def work() -> list[int]:
        return [copy_store.copy_store(config, room, store)]

    return _for_layer(config, request.layer, work, [namespace, store], _in_sandbox(namespace))


def snapshot_directory(
    config: SandboxConfig, request: messages.SnapshotDirectoryRequest, record: SandboxRecord
) -> HelperPlan:
    """Copy a directory of a sandbox."""
    room, namespace, path = request.room, record.mount_namespace, request.path

    def work() -> list[int]:
        return [directories.copy_folder(config, room, namespace, path)]

    return _for_layer(config, request.layer, work, [namespace], _in_sandbox(namespace))


def mount(
    config: SandboxConfig, request: messages.MountRequest, record: SandboxRecord
) -> HelperPlan:
    """Mount layers over a directory of a sandbox."""
    stack, namespace, path = request.layers, record.mount_namespace, request.path
    mount = directories.mount_root if request.root else directories.mount_folder

    def work() -> list[int]:
        mount(config, stack, namespace, path)
        return []

    return HelperPlan(work, [namespace], _in_sandbox(namespace, config.mapped(stack)))


def unmount(
    config: SandboxConfig, request: messages.UnmountRequest, record: SandboxRecord
) -> HelperPlan:
    """Undo that."""
    namespace, path = record.mount_namespace, request.path

    def work() -> list[int]:
        directories.unmount_folder(namespace, path)
        return []

    return HelperPlan(work, [namespace], _in_sandbox(namespace))


def make_outlet(
    config: SandboxConfig, request: messages.OutletRequest, record: SandboxRecord
) -> HelperPlan:
    """Have every connection out of a sandbox arrive at listeners."""
    namespace = record.network_namespace

    def where(calls: PreparedCalls) -> None:
        helper.enter(namespace, [], calls)
        namespaces.enter(namespace, namespaces.CLONE_NEWNET, calls)

    def work() -> list[int]:
        return [sock.detach() for sock in outlet.take_connections()]

    return HelperPlan(work, [namespace], where, lambda _: OutletMade(), passes_on=True)


def export(
    config: SandboxConfig, request: messages.ExportRequest, users: int, pipe: int
) -> HelperPlan:
    """Write layers to a pipe; `users` is the user namespace of sandboxes."""
    stack = request.layers

    def work() -> list[int]:
        archive.write(config, stack, pipe)
        return []

    return HelperPlan(work, [users, pipe], _in_namespace(users, config.mapped(stack)))


def load(config: SandboxConfig, request: messages.LoadRequest, users: int, pipe: int) -> HelperPlan:
    """Make a layer of what comes from a pipe; `users` is the user namespace of sandboxes."""
    room = request.room

    def work() -> list[int]:
        return [archive.read(config, room, pipe)]

    return _for_layer(config, request.layer, work, [users, pipe], _in_namespace(users))


def unpack(
    config: SandboxConfig,
    request: UnpackRequest,
    users: int,
    pipe: int,
    ids: int,
    *,
    own_ids: bool,
) -> HelperPlan:
    """Unpack a layer of an image; `users` is the user namespace of sandboxes."""
    mapped = [IMAGES] if own_ids else []

    def work() -> Message:
        return unpacking.unpack(request, pipe, ids)

    return HelperPlan(work, [users, pipe], _in_namespace(users, mapped))


def remove_unpacked(request: RemoveUnpackedRequest, users: int, *, own_ids: bool) -> HelperPlan:
    """Remove an unpacked layer; `users` is the user namespace of sandboxes."""
    folder, mapped = request.folder, [IMAGES] if own_ids else []

    def work() -> list[int]:
        unpacking.remove(folder)
        return []

    return HelperPlan(work, [users], _in_namespace(users, mapped))


def attach(config: SandboxConfig, number: int, store: int) -> LayerMade:
    """Make a layer of a store."""
    config.layers.attach(number, store)
    return LayerMade(size=config.layers.usage(number))


def _in_sandbox(namespace: int, mapped: Sequence[str] = ()) -> Callable[[PreparedCalls], None]:
    return partial(helper.enter, namespace, mapped)


def _in_namespace(users: int, mapped: Sequence[str] = ()) -> Callable[[PreparedCalls], None]:
    return partial(helper.enter_user_namespace, users, mapped)


def _for_layer(
    config: SandboxConfig,
    number: int,
    work: Work,
    fds: list[int],
    where: Callable[[PreparedCalls], None],
) -> HelperPlan:
    """A plan whose work returns a store, of which a layer is made."""

    def succeeded(fds: list[int]) -> Message:
        try:
            return attach(config, number, fds[0])
        finally:
            # The attached mount holds the store; a descriptor would keep it from being freed.
            os.close(fds[0])

    return HelperPlan(work, fds, where, succeeded)
