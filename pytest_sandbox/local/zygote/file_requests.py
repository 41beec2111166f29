"""Serves the engine's requests about the files of sandboxes: snapshots, mounts, layers.

What may take long is done by helpers, one for each request, while the zygote serves others.
"""

from __future__ import annotations

import contextlib
import errno
import os

from ..filesystem.hidden_paths import hide
from ..filesystem.layers import check_room, is_quick_to_free
from ..kernel import idmap, mounts
from ..kernel.tmpfs import usage
from ..protocol import wire
from ..protocol import zygote as messages
from ..protocol.common import DescriptorAnswer, Failed, Succeeded
from . import helper_plans
from .helper import Helper
from .helper_plans import HelperPlan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..filesystem.layers import Layers
    from ..filesystem.volume_mounts import VolumeStore
    from ..protocol.engine_socket import EngineSocket
    from ..protocol.images import AddImageLayerRequest, RemoveUnpackedRequest, UnpackRequest
    from ..protocol.message import Message
    from .config import SandboxConfig
    from .sandbox_record import SandboxRecord

#: How a request about one sandbox is served.
_PLANS: dict[type[Message], Callable[[SandboxConfig, Any, SandboxRecord], HelperPlan]] = {
    messages.SnapshotInPlaceRequest: helper_plans.snapshot_in_place,
    messages.SnapshotByCopyRequest: helper_plans.snapshot_by_copy,
    messages.SnapshotDirectoryRequest: helper_plans.snapshot_directory,
    messages.MountRequest: helper_plans.mount,
    messages.UnmountRequest: helper_plans.unmount,
    messages.OutletRequest: helper_plans.make_outlet,
}


class FileRequests:
    """Does what the engine asks for, and answers it.

    Args:
        config: what sandboxes have in common.
        shift: first id of the machine that sandboxes use; 0 if they use the zygote's own.
        ids: how many ids a sandbox has.
        users: gives the user namespace of sandboxes, as a descriptor; no process is in it.
        engine: where answers go.
        own_ids: whether each sandbox has ids of the machine of its own.
    """

    def __init__(
        self,
        config: SandboxConfig,
        shift: int,
        ids: int,
        users: Callable[[], int],
        engine: EngineSocket,
        *,
        own_ids: bool,
    ) -> None:
        self._config = config
        self._shift = shift
        self._ids = ids
        self._own_ids = own_ids
        self._users = users
        self._engine = engine
        #: Helpers at work, by descriptor; what for; and the number of the request.
        self._helpers: dict[int, tuple[Helper, HelperPlan, int]] = {}

    @property
    def pids(self) -> list[int]:
        """Of helpers at work."""
        return [helper.pid for helper, _, _ in self._helpers.values()]

    @property
    def fds(self) -> list[int]:
        """What to wait for: `helper_ready` wants to know of each that is readable."""
        return list(self._helpers)

    def helper_ready(self, fd: int) -> None:
        """A helper has answered, or died."""
        helper, plan, number = self._helpers.pop(fd)
        try:
            fds = helper.answer()
            passed = tuple(fds) if plan.passes_on else ()
            done = plan.succeeded(fds)
            self._engine.tell(helper.told or done, passed, number=number)
            wire.close_all(list(passed))
        except OSError as error:
            plan.failed()
            self._refuse(number, error)

    def about_sandbox(self, request: Message, number: int, record: SandboxRecord | None) -> None:
        """Begin to serve a request about one sandbox; `record` is `None` if that has ended."""
        try:
            if record is None:
                raise OSError(errno.ESRCH, "the sandbox has ended", "")
            self._start(_PLANS[type(request)](self._config, request, record), number)
        except OSError as error:
            self._refuse(number, error)

    def export(self, request: messages.ExportRequest, number: int, fds: list[int]) -> None:
        """Begin to write layers to a pipe."""
        try:
            plan = helper_plans.export(self._config, request, self._users(), fds[0])
            self._start(plan, number)
        except OSError as error:
            self._refuse(number, error)

    def load(self, request: messages.LoadRequest, number: int, fds: list[int]) -> None:
        """Begin to make a layer of what comes from a pipe."""
        try:
            plan = helper_plans.load(self._config, request, self._users(), fds[0])
            self._start(plan, number)
        except OSError as error:
            self._refuse(number, error)

    def snapshot_dead(
        self, request: messages.SnapshotAtEndRequest, number: int, record: SandboxRecord
    ) -> None:
        """Make a layer of the store of a sandbox that is dead."""
        try:
            check_room(usage(record.store), request.room)
            answer = helper_plans.attach(self._config, request.layer, record.store)
        except OSError as error:
            self._refuse(number, error)
        else:
            self._engine.tell(answer, number=number)

    def hide(self, request: messages.HideRequest, number: int, fds: list[int]) -> None:
        """Hide paths of a folder of the machine."""
        tree = next(tree for tree in self._config.trees if tree.path == request.path)
        try:
            hide(f"/hidden/{tree.number}", f"/trees/{tree.number}", request.hidden, request.kept)
        except OSError as error:
            self._refuse(number, error)
        else:
            self._engine.tell(Succeeded(), number=number)

    def unpack(self, request: UnpackRequest, number: int, fds: list[int]) -> None:
        """Begin to unpack a layer of an image."""
        try:
            plan = helper_plans.unpack(
                self._config, request, self._users(), fds[0], self._ids, own_ids=self._own_ids
            )
            self._start(plan, number)
        except OSError as error:
            self._refuse(number, error)

    def remove_unpacked(self, request: RemoveUnpackedRequest, number: int, fds: list[int]) -> None:
        """Begin to remove an unpacked layer."""
        try:
            plan = helper_plans.remove_unpacked(request, self._users(), own_ids=self._own_ids)
            self._start(plan, number)
        except OSError as error:
            self._refuse(number, error)

    def add_image_layer(self, request: AddImageLayerRequest, number: int, fds: list[int]) -> None:
        """Have an unpacked layer be one of sandboxes."""
        try:
            self._config.layers.add_unpacked(request.layer, request.folder)
        except OSError as error:
            self._refuse(number, error)
        else:
            self._engine.tell(Succeeded(), number=number)

    def drop_layer(self, request: messages.DropLayerRequest, number: int, fds: list[int]) -> None:
        """Unmount a layer."""
        self._drop(self._config.layers, request.number)

    def drop_volume(self, request: messages.DropVolumeRequest, number: int, fds: list[int]) -> None:
        """Unmount a volume."""
        self._drop(self._config.volumes, request.number)

    def lend_layer(self, request: messages.LendLayerRequest, number: int, fds: list[int]) -> None:
        """Give a layer to the engine, for another zygote."""
        try:
            store = self._config.layers.open(request.layer)
        except OSError as error:
            self._refuse(number, error)
        else:
            self._engine.tell(DescriptorAnswer(), (store,), number=number)
            os.close(store)

    def take_layer(self, request: messages.TakeLayerRequest, number: int, fds: list[int]) -> None:
        """Have a layer of another zygote, whose sandboxes may have other ids."""
        try:
            # Where each sandbox has its own ids, it is mapped for each.
            if request.shift != self._shift and not self._own_ids:
                # The files belong to the ids of the other zygote's sandboxes. An idmapped mount,
                # mount_setattr(2), shows them as those of ours, and costs nothing for each file.
                userns = idmap.namespace(self._shift, idmap.COUNT)
                try:
                    mounts.set_attributes(fds[0], mounts.MOUNT_ATTR_IDMAP, userns=userns)
                finally:
                    os.close(userns)
            self._config.layers.attach(request.layer, fds[0])
        except OSError as error:
            self._refuse(number, error)
        else:
            self._engine.tell(Succeeded(), number=number)

    def _drop(self, among: Layers | VolumeStore, number: int) -> None:
        # In the zygote's mount namespace: the helper shares it, being forked without a new one.
        def work() -> list[int]:
            among.unmount(number)
            return []

        def unmounted(_: list[int]) -> Message:
            among.forget(number)
            return Succeeded()

        if not is_quick_to_free(among.usage(number)):
            with contextlib.suppress(OSError):  # there may be no process for it
                self._start(HelperPlan(work, [], succeeded=unmounted), 0)
                return
        unmounted(work())

    def _start(self, plan: HelperPlan, number: int) -> None:
        if plan.begun is not None:
            self._engine.tell(plan.begun(), number=number)
            number = plan.second
        try:
            helper = Helper(plan.work, plan.fds, plan.where, plan.kept)
        except OSError as error:
            plan.failed()
            if plan.begun is None:
                raise
            self._refuse(number, error)
        else:
            self._helpers[helper.fileno()] = helper, plan, number

    def _refuse(self, number: int, error: OSError) -> None:
        self._engine.tell(Failed.of(error), number=number)
