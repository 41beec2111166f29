"""Volumes that clients have ids of."""

from collections.abc import Iterable
from dataclasses import dataclass

from pytest_sandbox._proto import common_pb2
from pytest_sandbox._proto import volumes_pb2 as pb
from pytest_sandbox.engine import Capability, Clock, EngineInfo, VolumeMount

from ..rpc.errors import not_found, unimplemented
from .ids import Ids

#: Seconds that an ephemeral volume stays without a sign of life; clients give one every 300.
HEARTBEAT = 900.0


@dataclass(eq=False)
class VolumeRecord:
    """A volume; its id is also its name for the engine, so that a name can be used again.

    Attributes:
        id: `vo-…`.
        name: empty for an ephemeral one.
        environment: where the name counts.
        version: of Modal's file system that was asked for; it makes no difference here.
        created_at: seconds since the epoch.
        expires: on the monotonic clock; `None` for one that stays until it is deleted.
    """

    id: str
    name: str
    environment: str
    version: pb.VolumeFsVersion
    created_at: float
    expires: float | None = None

    def metadata(self) -> pb.VolumeMetadata:
        """What clients are told of it."""
        creation = common_pb2.CreationInfo(created_at=self.created_at)
        return pb.VolumeMetadata(version=self.version, name=self.name, creation_info=creation)


class VolumeRegistry:
    """Volumes by id, and by name in an environment.

    Time is looked at, not waited for: an ephemeral volume whose client has gone is over at once
    for whoever asks, and `expired` gives it to whoever lets the engine forget it.
    """

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids
        self._volumes: dict[str, VolumeRecord] = {}
        self._last_creation = 0.0

    def add(self, name: str, environment: str, version: pb.VolumeFsVersion) -> VolumeRecord:
        """Register a new volume; without a name, an ephemeral one."""
        # Later than every time given before: lists are paged by it.
        self._last_creation = max(self._clock.now(), self._last_creation + 1e-6)
        volume = VolumeRecord(self._ids.new("vo"), name, environment, version, self._last_creation)
        self._volumes[volume.id] = volume
        if not name:
            self.beat(volume)
        return volume

    def beat(self, volume: VolumeRecord) -> None:
        """The client of an ephemeral volume is still there."""
        volume.expires = self._clock.monotonic() + HEARTBEAT

    def get(self, volume_id: str) -> VolumeRecord:
        """A volume by id; `NOT_FOUND` if there is none."""
        volume = self._volumes.get(volume_id)
        if volume is None or self._is_over(volume):
            raise not_found("Volume", volume_id)
        return volume

    def named(self, environment: str, name: str) -> VolumeRecord | None:
        """The volume of that name, if there is one."""
        of_environment = (v for v in self._volumes.values() if v.environment == environment)
        return next((volume for volume in of_environment if name and volume.name == name), None)

    def listed(self, environment: str) -> list[VolumeRecord]:
        """The volumes with a name, the newest first."""
        named = [v for v in self._volumes.values() if v.name and v.environment == environment]
        return sorted(named, key=lambda volume: volume.created_at, reverse=True)

    def remove(self, volume: VolumeRecord) -> None:
        """Nobody finds it any more."""
        self._volumes.pop(volume.id, None)

    def expired(self) -> list[VolumeRecord]:
        """Ephemeral volumes whose clients have gone."""
        return [volume for volume in self._volumes.values() if self._is_over(volume)]

    def _is_over(self, volume: VolumeRecord) -> bool:
        return volume.expires is not None and volume.expires <= self._clock.monotonic()

    def mounts(
        self, mounts: Iterable[common_pb2.VolumeMount], info: EngineInfo
    ) -> tuple[VolumeMount, ...]:
        """What the engine is asked for.

        That background commits are allowed, as all clients say, changes nothing: what is written
        to a volume is there at once.

        Raises:
            GRPCError: NOT_FOUND or UNIMPLEMENTED.
        """
        return tuple(self._mount(mount, info) for mount in mounts)

    def _mount(self, mount: common_pb2.VolumeMount, info: EngineInfo) -> VolumeMount:
        argument = f"volumes={{{mount.mount_path!r}: ...}}"
        if Capability.VOLUME not in info.capabilities:
            raise unimplemented(
                f"{argument}: the engine {info.name!r} has no volumes ({info.mode}): create the "
                "sandbox without them"
            )
        if mount.HasField("sub_path"):
            raise unimplemented(f"{argument}: sub_path is not implemented by pytest-sandbox")
        return VolumeMount(self.get(mount.volume_id).id, mount.mount_path, mount.read_only)
