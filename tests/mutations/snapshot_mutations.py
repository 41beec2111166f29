"""Ways to break what a server does with snapshots: altered messages, and wrong parts."""

import itertools
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from google.protobuf.empty_pb2 import Empty
from grpclib import GRPCError, Status

from pytest_sandbox._proto import extensions_pb2, snapshots_pb2
from pytest_sandbox.server.model.images import ImageRecord, ImageRegistry
from pytest_sandbox.server.model.sandboxes import SandboxRegistry
from pytest_sandbox.server.snapshots.store import SnapshotStore, StoredSnapshot

from .mutation import Mutation
from .tampering import Serve, Tampering

# What a restored sandbox is


def restore_other_files(server: Tampering) -> None:
    created: list[str] = []

    def change(request: Any) -> None:
        request.image_id = created[0]

    server.request("SandboxCreate", lambda request: created.append(request.definition.image_id))
    server.request("SandboxRestoreImage", change)


def forget_the_name_on_restore(server: Tampering) -> None:
    restored: list[str] = []

    async def around(stream: Any, serve: Serve) -> None:
        if restored:
            raise GRPCError(Status.NOT_FOUND, "there is no sandbox of this name")
        await serve(stream)

    server.request("SandboxRestoreImage", lambda request: restored.append(request.sandbox_id))
    server.around("SandboxGetFromName", around)


def forget_tags_on_restore(server: Tampering) -> None:
    lose_tags_after(server, "SandboxRestoreImage", lambda request, _: request.sandbox_id)


def lose_tags_of_copies(server: Tampering) -> None:
    lose_tags_after(server, "SandboxRestore", lambda _, response: response.sandbox_id)


def lose_tags_after(server: Tampering, rpc: str, sandbox_id: Any) -> None:
    """Have those sandboxes show no tags that an RPC is about."""
    without: set[str] = set()

    def change(request: Any, response: Any) -> None:
        if request.sandbox_id in without:
            response.ClearField("tags")

    server.response(rpc, lambda request, response: without.add(sandbox_id(request, response)))
    server.response("SandboxTagsGet", change)


# Which snapshots there are


def ignore_snapshot_ids(server: Tampering) -> None:
    numbers = itertools.count()

    def change(request: Any) -> None:
        request.snapshot_id += f"-{next(numbers)}"

    server.request("TaskSnapshotFilesystem", change)


def mix_up_snapshot_ids(server: Tampering) -> None:
    taken: dict[str, str] = {}

    def change(request: Any, response: Any) -> None:
        response.image_id = taken.setdefault(request.snapshot_id, response.image_id)

    server.response("TaskSnapshotFilesystem", change)


def store_for_ever(server: Tampering) -> None:
    _time_to_live(server, -1)


def store_for_a_minute(server: Tampering) -> None:
    _time_to_live(server, 60)


def _time_to_live(server: Tampering, seconds: int) -> None:
    def change(request: Any) -> None:
        request.ttl_seconds = seconds

    server.request("TaskSnapshotFilesystem", change)


def forget_nothing(server: Tampering) -> None:
    server.skip("ImageForget", extensions_pb2.ImageForgetResponse)


def store_under_one_key(server: Tampering) -> None:
    def change(request: Any) -> None:
        request.key = "key"

    server.request("ImageKeep", change)
    server.request("ImageRecall", change)


def lose_the_environment_of_images(server: Tampering) -> None:
    class Images(ImageRegistry):
        def add_snapshot(self, snapshot: Any, like: ImageRecord, **options: Any) -> ImageRecord:
            return super().add_snapshot(snapshot, replace(like, env={}), **options)

    server.images = Images


# Which snapshots are evicted


def evict_what_is_in_use(server: Tampering) -> None:
    server.in_use = lambda sandboxes: ()


def evict_what_is_mounted(server: Tampering) -> None:
    server.in_use = lambda sandboxes: {each.image.snapshot_id for each in sandboxes.running()}


def never_evict_what_was_in_use(server: Tampering) -> None:
    ever: set[str] = set()

    def in_use(sandboxes: SandboxRegistry) -> Iterable[str]:
        ever.update(sandboxes.snapshots_in_use())
        return ever

    server.in_use = in_use


def evict_what_others_depend_on(server: Tampering) -> None:
    class Store(SnapshotStore):
        def add(self, snapshot: StoredSnapshot) -> None:
            super().add(replace(snapshot, depends_on=""))

    server.store = Store


class _Reordering(SnapshotStore):
    """A store that can make a snapshot the least recently used one."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.order: list[str] = []

    def add(self, snapshot: StoredSnapshot) -> None:
        super().add(snapshot)
        self.order.append(snapshot.id)

    def make_oldest(self, snapshot_id: str) -> None:
        self.order.remove(snapshot_id)
        self.order.insert(0, snapshot_id)
        for each in self.order:
            if not self.why_removed(each):
                super().use("Image", each)


def evict_the_newest(server: Tampering) -> None:
    class Store(_Reordering):
        def add(self, snapshot: StoredSnapshot) -> None:
            super().add(snapshot)
            self.make_oldest(snapshot.id)

        def use(self, kind: str, snapshot_id: str) -> StoredSnapshot:
            snapshot = super().use(kind, snapshot_id)
            self.make_oldest(snapshot_id)
            return snapshot

    server.store = Store


def forget_that_it_was_used(server: Tampering) -> None:
    class Store(_Reordering):
        def use(self, kind: str, snapshot_id: str) -> StoredSnapshot:
            snapshot = super().use(kind, snapshot_id)
            self.make_oldest(snapshot_id)
            return snapshot

    server.store = Store


# Mounted snapshots


def mount_in_one_place(server: Tampering) -> None:
    def change(request: Any) -> None:
        request.path = b"/mnt/a"

    server.request("TaskMountDirectory", change)


def mount_nothing(server: Tampering) -> None:
    server.request("TaskMountDirectory", lambda request: request.ClearField("image_id"))


def unmount_nothing(server: Tampering) -> None:
    server.skip("TaskUnmountDirectory", Empty)


# Snapshots of memory


def ignore_other_names(server: Tampering) -> None:
    def change(request: Any) -> None:
        unspecified = snapshots_pb2.SandboxRestoreRequest.SANDBOX_NAME_OVERRIDE_TYPE_UNSPECIFIED
        request.sandbox_name_override_type = unspecified

    server.request("SandboxRestore", change)


def mix_up_snapshots(server: Tampering) -> None:
    taken: list[str] = []

    def change(request: Any) -> None:
        request.snapshot_id = taken[0]

    server.response("SandboxSnapshot", lambda _, response: taken.append(response.snapshot_id))
    server.request("SandboxRestore", change)


_RESTORE = "restoring_keeps_what_a_sandbox_is"
_REPEATABLE = "snapshots_are_repeatable"
_TIME = "images_have_their_time"
_EVICTION = "unused_snapshots_are_evicted_first"
_IN_USE = "snapshots_in_use_are_not_evicted"
_MOUNTS = "directories_show_where_they_are_mounted"

MUTATIONS = (
    Mutation("restore other files", restore_other_files, (_RESTORE,)),
    Mutation("forget the name on restore", forget_the_name_on_restore, (_RESTORE,)),
    Mutation("forget tags on restore", forget_tags_on_restore, (_RESTORE,)),
    Mutation("ignore snapshot ids", ignore_snapshot_ids, (_REPEATABLE,)),
    Mutation("mix up snapshot ids", mix_up_snapshot_ids, (_REPEATABLE,)),
    Mutation("store for ever", store_for_ever, (_TIME,)),
    Mutation("store for a minute", store_for_a_minute, (_TIME,)),
    Mutation("forget nothing", forget_nothing, ("forgotten_images_are_gone",)),
    Mutation("store under one key", store_under_one_key, ("images_are_stored_under_their_key",)),
    Mutation(
        "lose the environment of images",
        lose_the_environment_of_images,
        ("images_have_the_environment_of_theirs",),
    ),
    Mutation("evict what is in use", evict_what_is_in_use, (_IN_USE,)),
    Mutation("evict what is mounted", evict_what_is_mounted, (_IN_USE,)),
    Mutation("never evict what was in use", never_evict_what_was_in_use, (_IN_USE,)),
    Mutation(
        "evict what others depend on",
        evict_what_others_depend_on,
        ("what_others_depend_on_is_not_evicted",),
    ),
    Mutation("evict the newest", evict_the_newest, (_EVICTION,)),
    Mutation("forget that it was used", forget_that_it_was_used, (_EVICTION,)),
    Mutation("mount in one place", mount_in_one_place, (_MOUNTS,)),
    Mutation("mount nothing", mount_nothing, (_MOUNTS,)),
    Mutation("unmount nothing", unmount_nothing, (_MOUNTS,)),
    Mutation("ignore other names", ignore_other_names, ("copies_have_names_of_their_own",)),
    Mutation("lose tags of copies", lose_tags_of_copies, ("copies_go_on",)),
    Mutation("mix up snapshots", mix_up_snapshots, ("snapshots_are_apart",)),
)
