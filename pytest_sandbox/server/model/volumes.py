"""Volumes by id and by name."""

from collections.abc import Iterable

from pytest_sandbox._proto import common_pb2
from pytest_sandbox._proto import volumes_pb2 as pb
from pytest_sandbox._shared import relative_path
from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import Capability, Clock, EngineInfo, VolumeMount

from ..rpc.errors import invalid, not_found, unimplemented
from .ids import Ids

#: Seconds without a heartbeat after which an ephemeral volume expires; clients send one every 300.
HEARTBEAT = 900.0


@dataclass(eq=False)
class VolumeRecord:
    """A volume.

    Its name for the engine is its id, so that another volume can have the name after it.

    Attributes:
        id: `vo-…`.
        name: empty for an ephemeral one.
        environment: where the name is valid.
        version: of Modal's file system; it makes no difference here.
        created_at: in seconds since the Unix epoch.
        expires: when, on the engine's monotonic clock; `None` if it stays until it is deleted.
        loaded: whether the engine has its files; not those of an earlier run before they are used.
    """

    id: str
    name: str
    environment: str
    version: pb.VolumeFsVersion
    created_at: float
    expires: float | None = None
    loaded: bool = True

    def metadata(self) -> pb.VolumeMetadata:
        """The metadata of it that clients get."""
        creation = common_pb2.CreationInfo(created_at=self.created_at)
        return pb.VolumeMetadata(version=self.version, name=self.name, creation_info=creation)


class VolumeRegistry:
    """Volumes by id, and by name in an environment.

    No timer runs: an expired volume is not found any more, and stays in `expired` until the engine
    has forgotten it.
    """

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids
        self._volumes: dict[str, VolumeRecord] = {}
        self._last_creation = 0.0

    def add(
        self,
        name: str,
        environment: str,
        version: pb.VolumeFsVersion,
        *,
        created_at: float | None = None,
    ) -> VolumeRecord:
        """Register a volume: a new one, or one of an earlier run, whose files are not loaded.

        Args:
            name: empty for an ephemeral one.
            environment: where the name is valid.
            version: of Modal's file system.
            created_at: of one of an earlier run, in seconds since the Unix epoch.
        """
        loaded = created_at is None
        if created_at is None:
            # Later than that of every other volume: lists are paged by it.
            created_at = self._last_creation = max(self._clock.now(), self._last_creation + 1e-6)
        volume = VolumeRecord(self._ids.new("vo"), name, environment, version, created_at)
        volume.loaded = loaded
        self._volumes[volume.id] = volume
        if not name:
            self.beat(volume)
        return volume

    def beat(self, volume: VolumeRecord) -> None:
        """Register a heartbeat of the client of an ephemeral volume."""
        volume.expires = self._clock.monotonic() + HEARTBEAT

    def get(self, volume_id: str) -> VolumeRecord:
        """A volume by id.

        Raises:
            GRPCError: NOT_FOUND.
        """
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
        """Remove a volume: it is not found any more."""
        self._volumes.pop(volume.id, None)

    def expired(self) -> list[VolumeRecord]:
        """Ephemeral volumes without a recent heartbeat."""
        return [volume for volume in self._volumes.values() if self._is_over(volume)]

    def _is_over(self, volume: VolumeRecord) -> bool:
        return volume.expires is not None and volume.expires <= self._clock.monotonic()

    def mounts(
        self, mounts: Iterable[common_pb2.VolumeMount], info: EngineInfo
    ) -> tuple[VolumeMount, ...]:
        """The mounts to ask the engine for.

        `allow_background_commits`, which all clients set, makes no difference: every write to a
        volume is committed at once.

        Raises:
            GRPCError: NOT_FOUND, INVALID_ARGUMENT or UNIMPLEMENTED.
        """
        return tuple(self._mount(mount, info) for mount in mounts)

    def check_supported(self, what: str, info: EngineInfo) -> None:
        """Refuse something if the engine has no volumes.

        Raises:
            GRPCError: UNIMPLEMENTED.
        """
        if Capability.VOLUME not in info.capabilities:
            raise unimplemented(
                f"{what}: the engine {info.name!r} has no volumes ({info.mode}): create the "
                "sandbox without them"
            )

    def _mount(self, mount: common_pb2.VolumeMount, info: EngineInfo) -> VolumeMount:
        argument = f"volumes={{{mount.mount_path!r}: ...}}"
        self.check_supported(argument, info)
        try:
            names = relative_path.parts(mount.sub_path.lstrip("/"))
        except ValueError as error:
            raise invalid(f"{argument}: sub_path: {error}") from None
        volume = self.get(mount.volume_id).id
        return VolumeMount(volume, mount.mount_path, mount.read_only, "/".join(names))
