"""The state that servicers share: the engine, the registries, the tokens."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from pytest_sandbox.engine import SupportsChange

from ..commands.log_news import LogNews
from ..rpc.auth import RouterTokens
from ..snapshots.store import SnapshotStore
from .apps import AppRegistry
from .ids import Ids
from .images import ImageRegistry
from .sandboxes import SandboxRegistry
from .secrets import SecretRegistry

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_sandbox.engine import Clock, Engine, EngineInfo

    from ..certificates import Authority
    from ..definition.identity import IdentityTokens
    from ..networks.memberships import MembershipRegistry
    from ..registries.aliases import Aliases
    from ..registries.lock_file import LockFile
    from ..registries.registry_images import RegistryImages
    from ..snapshots.encrypted import EncryptedSnapshot, EncryptedSnapshots
    from ..snapshots.memory import MemorySnapshots
    from ..volumes.lasting_volumes import LastingVolumes
    from ..volumes.private_copies import PrivateCopies
    from ..volumes.transfers import Transfers
    from ..volumes.uploads import Uploads
    from ..volumes.volume_files import VolumeFiles
    from ..volumes.workers import VolumeWorkers
    from .local_files import LocalFileRegistry
    from .named_volumes import NamedVolumes
    from .proxies import ProxyRegistry
    from .volumes import VolumeRegistry

#: A version of Modal's image builder that clients from 1.0 to the newest know.
IMAGE_BUILDER_VERSION = "2025.06"


class State:
    """The state of one server.

    What few runs need is imported and made when it is first used.

    Args:
        engine: started.
        info: what its start returned.
        seed: makes ids the same in every run.
        volumes: the folder of named volumes that outlive the run; `None` if none do.
        private_volumes: whether each sandbox has copies of its volumes until they are committed.
        tunnels_for_everybody: whether other users of this machine may connect to tunnels.
        image_aliases: names of images that mean something else.
        image_lock: pins the tags of images; `None` if they are not pinned.
    """

    def __init__(
        self,
        engine: Engine,
        info: EngineInfo,
        *,
        seed: str | None = None,
        volumes: Path | None = None,
        private_volumes: bool = False,
        tunnels_for_everybody: bool = False,
        image_aliases: Aliases | None = None,
        image_lock: LockFile | None = None,
    ) -> None:
        self.engine = engine
        self.info_at_start = info
        self._changing = engine if isinstance(engine, SupportsChange) else None
        self.tunnels_for_everybody = tunnels_for_everybody
        self._volumes_folder = volumes
        self._private_volumes = private_volumes
        self._image_aliases = image_aliases
        self._image_lock = image_lock
        self.ids = Ids(seed)
        self.tokens = RouterTokens(engine.clock)
        self.apps = AppRegistry(engine.clock, self.ids)
        self.secrets = SecretRegistry()
        self.log_news = LogNews(engine.clock)
        self.sandboxes = SandboxRegistry(engine.clock, self.log_news)
        self.snapshot_store = SnapshotStore(engine, self.sandboxes.snapshots_in_use)
        self.images = ImageRegistry(self.snapshot_store, engine.clock, self.ids)
        #: Where clients reach the command router over TCP: with TLS, and in plain text.
        self.router_tls_url: str | None = None
        self.router_plain_authority: str | None = None

    @property
    def info(self) -> EngineInfo:
        """What the engine is now."""
        return self.info_at_start if self._changing is None else self._changing.info

    @property
    def clock(self) -> Clock:
        """The engine's clock."""
        return self.engine.clock

    async def close(self) -> None:
        """Free what the end of the engine does not."""
        if "encrypted" in vars(self):
            self.encrypted.close()
        if "transfers" in vars(self):
            await self.transfers.close()

    def encrypted_snapshot(self, image_id: str) -> EncryptedSnapshot | None:
        """The encrypted snapshot of an id, if it is one.

        Raises:
            GRPCError: NOT_FOUND: it was one.
        """
        return self.encrypted.find(image_id) if "encrypted" in vars(self) else None

    @cached_property
    def proxies(self) -> ProxyRegistry:
        """The proxies by name."""
        from .proxies import ProxyRegistry

        return ProxyRegistry(self.clock, self.ids)

    @cached_property
    def identity(self) -> IdentityTokens:
        """Signs tokens that say what a container is."""
        from ..definition.identity import IdentityTokens

        return IdentityTokens(self.clock)

    @cached_property
    def memberships(self) -> MembershipRegistry:
        """The aliases in networks of sandboxes."""
        from ..networks.memberships import MembershipRegistry

        return MembershipRegistry(self.sandboxes)

    @cached_property
    def authority(self) -> Authority:
        """Makes the certificates of listeners that speak TLS."""
        from ..certificates import Authority

        return Authority()

    # Images and snapshots

    @cached_property
    def local_files(self) -> LocalFileRegistry:
        """Local files that clients have put into images."""
        from .local_files import LocalFileRegistry

        return LocalFileRegistry(self.ids)

    @cached_property
    def registry_images(self) -> RegistryImages:
        """Images of registries and archives."""
        from ..registries.aliases import Aliases
        from ..registries.registry_images import RegistryImages

        aliases = self._image_aliases or Aliases({})
        return RegistryImages(self.engine, self.info, aliases, self._image_lock)

    @cached_property
    def encrypted(self) -> EncryptedSnapshots:
        """Snapshots of directories that are encrypted."""
        from ..snapshots.encrypted import EncryptedSnapshots

        return EncryptedSnapshots(self.clock, self.ids)

    @cached_property
    def memory_snapshots(self) -> MemorySnapshots:
        """Memory snapshots by id."""
        from ..snapshots.memory import MemorySnapshots

        return MemorySnapshots(self.snapshot_store, self.clock, self.ids)

    # Volumes

    @cached_property
    def volumes(self) -> VolumeRegistry:
        """Volumes by id and by name."""
        from .volumes import VolumeRegistry

        return VolumeRegistry(self.clock, self.ids)

    @cached_property
    def volume_workers(self) -> VolumeWorkers:
        """Hidden sandboxes, by which files of volumes are worked on."""
        from ..volumes.workers import VolumeWorkers

        return VolumeWorkers(self.engine)

    @cached_property
    def volume_files(self) -> VolumeFiles:
        """The files of volumes."""
        from ..volumes.volume_files import VolumeFiles

        return VolumeFiles(self.volume_workers, self.clock)

    @cached_property
    def private_copies(self) -> PrivateCopies | None:
        """The copies of volumes that sandboxes have; `None` if they share the volumes."""
        if not self._private_volumes:
            return None
        from ..volumes.private_copies import PrivateCopies

        return PrivateCopies(self.engine, self.volume_files, self.volume_workers)

    @cached_property
    def lasting_volumes(self) -> LastingVolumes | None:
        """Named volumes that outlive the run; `None` if none do."""
        if not self._volumes_folder:
            return None
        from ..volumes.lasting_volumes import LastingVolumes

        return LastingVolumes(self._volumes_folder, self.volume_files, self.private_copies)

    @cached_property
    def named_volumes(self) -> NamedVolumes:
        """Volumes as clients find them."""
        from .named_volumes import NamedVolumes

        return NamedVolumes(self.volumes, self.lasting_volumes)

    @cached_property
    def uploads(self) -> Uploads:
        """Contents of files that clients have uploaded."""
        from ..volumes.uploads import Uploads

        return Uploads()

    @cached_property
    def transfers(self) -> Transfers:
        """Where contents of files are moved over HTTP."""
        from ..volumes.transfers import Transfers

        return Transfers(self.volume_files, self.uploads)
