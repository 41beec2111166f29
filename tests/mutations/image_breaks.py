"""Ways to break what a server does with images, ports and volumes."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_sandbox.engine import Host, Snapshot
from pytest_sandbox.server.model import creation
from pytest_sandbox.server.model.definition import task_spec
from pytest_sandbox.server.model.images import ImageRecord, ImageRegistry
from pytest_sandbox.server.model.sandbox import ServedSandbox
from pytest_sandbox.server.model.volumes import VolumeRegistry
from pytest_sandbox.server.own import stored_images
from pytest_sandbox.server.rpc.idempotency import Outcomes
from pytest_sandbox.server.snapshots import files
from pytest_sandbox.server.snapshots.memory import MemorySnapshots
from pytest_sandbox.server.snapshots.store import SnapshotStore
from pytest_sandbox.server.tunnels.tunnel import TunnelListener
from pytest_sandbox.server.v1 import router_snapshots, snapshots
from pytest_sandbox.server.v1.router_snapshots import RouterSnapshotServicer

from .breaks import Break


def restore_other_files(patch: pytest.MonkeyPatch) -> None:
    right = ServedSandbox.restore

    async def wrong(self: ServedSandbox, image: ImageRecord, create: Any) -> None:
        await right(self, replace(image, engine_image=self.spec.image), create)

    patch.setattr(ServedSandbox, "restore", wrong)


def forget_the_name_on_restore(patch: pytest.MonkeyPatch) -> None:
    right = ServedSandbox.restore

    async def wrong(self: ServedSandbox, *args: Any) -> None:
        await right(self, *args)
        self.on_end(self)  # which is who lets go of names

    patch.setattr(ServedSandbox, "restore", wrong)


def forget_tags_on_restore(patch: pytest.MonkeyPatch) -> None:
    right = ServedSandbox.restore

    async def wrong(self: ServedSandbox, *args: Any) -> None:
        await right(self, *args)
        self.tags.clear()

    patch.setattr(ServedSandbox, "restore", wrong)


def restore_beside_what_runs(patch: pytest.MonkeyPatch) -> None:
    right = ServedSandbox.restore

    async def nothing() -> None:
        pass

    async def wrong(self: ServedSandbox, *args: Any) -> None:
        with pytest.MonkeyPatch.context() as meanwhile:
            meanwhile.setattr(self.task, "kill", nothing)
            await right(self, *args)

    patch.setattr(ServedSandbox, "restore", wrong)


def restore_without_environment(patch: pytest.MonkeyPatch) -> None:
    right = ServedSandbox.restore

    async def wrong(self: ServedSandbox, image: ImageRecord, create: Any) -> None:
        await right(self, image, lambda spec: create(replace(spec, env={})))

    patch.setattr(ServedSandbox, "restore", wrong)


def restore_without_main(patch: pytest.MonkeyPatch) -> None:
    right = ServedSandbox.restore

    async def wrong(self: ServedSandbox, image: ImageRecord, create: Any) -> None:
        await right(self, image, lambda spec: create(replace(spec, main=None)))

    patch.setattr(ServedSandbox, "restore", wrong)


def keep_again_and_again(patch: pytest.MonkeyPatch) -> None:
    async def wrong(self: Any, rpc: str, key: str, run: Any) -> Any:
        return await run()

    patch.setattr(Outcomes, "once", wrong)


def mix_up_snapshot_ids(patch: pytest.MonkeyPatch) -> None:
    outcomes: Outcomes[Any] = Outcomes()

    async def wrong(self: Any, box: Any, request: Any, call: Any, keep: Any) -> Any:
        return await outcomes.once(call.rpc, request.snapshot_id, keep)

    patch.setattr(RouterSnapshotServicer, "_once", wrong)


def keep_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(router_snapshots, "_ttl", lambda request: None)


def keep_for_a_minute(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(router_snapshots, "_ttl", lambda request: 60.0)


def let_nothing_go(patch: pytest.MonkeyPatch) -> None:
    async def wrong(self: ImageRegistry, image_id: str) -> None:
        pass

    patch.setattr(ImageRegistry, "forget", wrong)


def keep_what_was_forgotten(patch: pytest.MonkeyPatch) -> None:
    async def wrong(self: SnapshotStore, thing_id: str) -> None:
        self._remove(thing_id, "it was forgotten")

    patch.setattr(SnapshotStore, "forget", wrong)


def give_up_what_is_in_use(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ServedSandbox, "depends_on", property(lambda self: set()))


def give_up_what_is_mounted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        ServedSandbox, "depends_on", property(lambda self: {self.image.snapshot_id} - {""})
    )


def keep_what_was_unmounted(patch: pytest.MonkeyPatch) -> None:
    right = ServedSandbox.unmount

    async def wrong(self: ServedSandbox, path: str) -> None:
        before = {path: list(layers) for path, layers in self._mounts._mounted.items()}
        await right(self, path)
        self._mounts._mounted.update(before)

    patch.setattr(ServedSandbox, "unmount", wrong)


def give_up_what_others_stand_on(patch: pytest.MonkeyPatch) -> None:
    right = SnapshotStore.add
    patch.setattr(
        SnapshotStore, "add", lambda self, thing: right(self, replace(thing, depends_on=""))
    )


def give_up_the_newest(patch: pytest.MonkeyPatch) -> None:
    def wrong(self: SnapshotStore) -> Any:
        needed = {*self._pins, *self._in_use()}
        free = [thing for key, thing in self._snapshots.items() if key not in needed]
        return free[-1] if free else None

    patch.setattr(SnapshotStore, "_evictable", wrong)


def forget_that_it_was_used(patch: pytest.MonkeyPatch) -> None:
    right = SnapshotStore.use

    def wrong(self: SnapshotStore, kind: str, thing_id: str) -> Any:
        thing = right(self, kind, thing_id)
        self._snapshots.move_to_end(thing_id, last=False)
        return thing

    patch.setattr(SnapshotStore, "use", wrong)


def keep_without_ending(patch: pytest.MonkeyPatch) -> None:
    right = files._files

    async def wrong(taker: Any, task: Any, *, end: bool) -> Snapshot:
        return await right(taker, task, end=False)

    patch.setattr(files, "_files", wrong)


def lose_the_environment_of_images(patch: pytest.MonkeyPatch) -> None:
    right = ImageRegistry.add_snapshot

    def wrong(self: ImageRegistry, name: Any, like: ImageRecord, **options: Any) -> ImageRecord:
        return right(self, name, replace(like, env={}), **options)

    patch.setattr(ImageRegistry, "add_snapshot", wrong)


def start_with_the_host(patch: pytest.MonkeyPatch) -> None:
    def wrong(*args: Any) -> Any:
        return replace(task_spec(*args), image=Host())

    patch.setattr(creation, "task_spec", wrong)


def mount_in_one_place(patch: pytest.MonkeyPatch) -> None:
    right = ServedSandbox.mount

    async def wrong(self: ServedSandbox, path: str, image: Any) -> None:
        await right(self, "/mnt/a", image)

    patch.setattr(ServedSandbox, "mount", wrong)


def mount_nothing(patch: pytest.MonkeyPatch) -> None:
    right = ServedSandbox.mount

    async def wrong(self: ServedSandbox, path: str, image: Any) -> None:
        await right(self, path, None)

    patch.setattr(ServedSandbox, "mount", wrong)


def unmount_nothing(patch: pytest.MonkeyPatch) -> None:
    async def wrong(self: ServedSandbox, path: str) -> None:
        pass

    patch.setattr(ServedSandbox, "unmount", wrong)


def store_under_one_key(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stored_images.StoredImageServicer, "_key", lambda self, key: "key")


def tunnel_to_the_first_port(patch: pytest.MonkeyPatch) -> None:
    right = TunnelListener.__init__

    def wrong(self: TunnelListener, box: Any, port: int, context: Any) -> None:
        right(self, box, box.definition.open_ports.ports[0].port, context)

    patch.setattr(TunnelListener, "__init__", wrong)


def tunnel_into_what_was_there_before(patch: pytest.MonkeyPatch) -> None:
    right = TunnelListener.__init__

    def wrong(self: TunnelListener, box: Any, port: int, context: Any) -> None:
        right(self, box, port, context)
        self._box = SimpleNamespace(task=box.task, lifetime=box.lifetime)  # type: ignore[assignment]

    patch.setattr(TunnelListener, "__init__", wrong)


def share_volumes_between_environments(patch: pytest.MonkeyPatch) -> None:
    def wrong(self: VolumeRegistry, environment: str, name: str) -> Any:
        return next((each for each in self._volumes.values() if each.name == name), None)

    patch.setattr(VolumeRegistry, "named", wrong)


def share_all_volumes(patch: pytest.MonkeyPatch) -> None:
    right = VolumeRegistry._mount

    def wrong(self: VolumeRegistry, *args: Any) -> Any:
        return replace(right(self, *args), volume="one")

    patch.setattr(VolumeRegistry, "_mount", wrong)


def let_volumes_be_written(patch: pytest.MonkeyPatch) -> None:
    right = VolumeRegistry._mount

    def wrong(self: VolumeRegistry, *args: Any) -> Any:
        return replace(right(self, *args), read_only=False)

    patch.setattr(VolumeRegistry, "_mount", wrong)


def delete_no_volume(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(VolumeRegistry, "remove", lambda self, volume: None)


def begin_again(patch: pytest.MonkeyPatch) -> None:
    right = creation.SandboxCreator.create

    async def wrong(
        self: Any, app: Any, one: Any, tags: Any, image: Any, spec: Any, **more: Any
    ) -> Any:
        return await right(self, app, one, tags, image, replace(spec, resume=None), **more)

    patch.setattr(creation.SandboxCreator, "create", wrong)


def ignore_other_names(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(snapshots, "_renamed", lambda definition, request: definition)


def lose_tags_of_copies(patch: pytest.MonkeyPatch) -> None:
    right = MemorySnapshots.take

    def wrong(self: MemorySnapshots, box: ServedSandbox) -> Any:
        snapshot = right(self, box)
        snapshot.tags = {}
        return snapshot

    patch.setattr(MemorySnapshots, "take", wrong)


def mix_up_snapshots(patch: pytest.MonkeyPatch) -> None:
    right = MemorySnapshots.get

    def wrong(self: MemorySnapshots, snapshot_id: str) -> Any:
        right(self, snapshot_id)
        return next(iter(self._snapshots.values()))

    patch.setattr(MemorySnapshots, "get", wrong)


def give_no_gpus(patch: pytest.MonkeyPatch) -> None:
    def wrong(*args: Any) -> Any:
        return replace(task_spec(*args), gpus=None)

    patch.setattr(creation, "task_spec", wrong)


_WHAT = "restoring_keeps_what_a_sandbox_is"
_ROOM = "room_is_made_with_what_is_unused"

BREAKS = (
    Break("restore other files", restore_other_files, (_WHAT,)),
    Break("forget the name on restore", forget_the_name_on_restore, (_WHAT,)),
    Break("forget tags on restore", forget_tags_on_restore, (_WHAT,)),
    Break("restore without environment", restore_without_environment, (_WHAT,)),
    Break(
        "restore beside what runs",
        restore_beside_what_runs,
        ("restoring_ends_what_runs",),
        hangs=True,
    ),
    Break(
        "restore without main",
        restore_without_main,
        ("restoring_starts_the_main_process_anew",),
        hangs=True,
    ),
    Break("keep again and again", keep_again_and_again, ("keeping_is_repeatable",)),
    Break("mix up snapshot ids", mix_up_snapshot_ids, ("keeping_is_repeatable",)),
    Break("keep for ever", keep_for_ever, ("images_have_their_time",)),
    Break("keep for a minute", keep_for_a_minute, ("images_have_their_time",)),
    Break("let nothing go", let_nothing_go, ("forgotten_images_are_gone",)),
    Break("keep what was forgotten", keep_what_was_forgotten, ("forgotten_images_are_gone",)),
    Break("give up what is in use", give_up_what_is_in_use, ("what_is_in_use_is_not_given_up",)),
    Break("give up what is mounted", give_up_what_is_mounted, ("what_is_in_use_is_not_given_up",)),
    Break("keep what was unmounted", keep_what_was_unmounted, ("what_is_in_use_is_not_given_up",)),
    Break(
        "give up what others stand on",
        give_up_what_others_stand_on,
        ("what_others_stand_on_is_not_given_up",),
    ),
    Break("give up the newest", give_up_the_newest, (_ROOM,)),
    Break("forget that it was used", forget_that_it_was_used, (_ROOM,)),
    Break("keep without ending", keep_without_ending, ("keeping_can_end_a_sandbox",), hangs=True),
    Break(
        "lose the environment of images",
        lose_the_environment_of_images,
        ("images_have_the_environment_of_theirs",),
    ),
    Break("start with the host", start_with_the_host, ("images_have_the_files",)),
    Break("mount in one place", mount_in_one_place, ("directories_show_where_they_are_mounted",)),
    Break("mount nothing", mount_nothing, ("directories_show_where_they_are_mounted",)),
    Break("unmount nothing", unmount_nothing, ("directories_show_where_they_are_mounted",)),
    Break("store under one key", store_under_one_key, ("images_are_stored_under_their_key",)),
    Break("tunnel to the first port", tunnel_to_the_first_port, ("tunnels_lead_to_their_ports",)),
    Break(
        "tunnel into what was there before",
        tunnel_into_what_was_there_before,
        ("tunnels_outlast_a_restore",),
    ),
    Break(
        "share volumes between environments",
        share_volumes_between_environments,
        ("volumes_are_shared_by_name",),
    ),
    Break("share all volumes", share_all_volumes, ("volumes_are_where_they_were_asked_for",)),
    Break(
        "let volumes be written", let_volumes_be_written, ("volumes_are_where_they_were_asked_for",)
    ),
    Break("delete no volume", delete_no_volume, ("deleted_volumes_are_gone",)),
    Break("begin again", begin_again, ("copies_go_on",)),
    Break("ignore other names", ignore_other_names, ("copies_have_names_of_their_own",)),
    Break("lose tags of copies", lose_tags_of_copies, ("copies_go_on",)),
    Break("mix up snapshots", mix_up_snapshots, ("snapshots_are_apart",)),
    Break("give no GPUs", give_no_gpus, ("gpus_are_ones_own",)),
)
