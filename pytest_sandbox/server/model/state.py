"""The state that servicers share: the engine, the registries, the tokens."""

from pathlib import Path

from pytest_sandbox.engine import Clock, Engine, EngineInfo

from ..certificates import Authority
from ..commands.log_news import LogNews
from ..definition.identity import IdentityTokens
from ..networks.memberships import MembershipRegistry
from ..registries.aliases import Aliases
from ..registries.lock_file import LockFile
from ..registries.registry_images import RegistryImages
from ..rpc.auth import RouterTokens
from ..snapshots.encrypted import EncryptedSnapshots
from ..snapshots.memory import MemorySnapshots
from ..snapshots.store import SnapshotStore
from ..volumes.lasting_volumes import LastingVolumes
from ..volumes.private_copies import PrivateCopies
from ..volumes.transfers import Transfers
from ..volumes.uploads import Uploads
from ..volumes.volume_files import VolumeFiles
from ..volumes.workers import VolumeWorkers
from .apps import AppRegistry
from .ids import Ids
from .images import ImageRegistry
from .local_files import LocalFileRegistry
from .named_volumes import NamedVolumes
from .proxies import ProxyRegistry
from .sandboxes import SandboxRegistry
from .secrets import SecretRegistry
from .volumes import VolumeRegistry

#: A version of Modal's image builder that clients from 1.0 to the newest know.
IMAGE_BUILDER_VERSION = "2025.06"


class State:
    """The state of one server.

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
        self.info = info
        self.tunnels_for_everybody = tunnels_for_everybody
        self.ids = Ids(seed)
        self.tokens = RouterTokens(engine.clock)
        self.apps = AppRegistry(engine.clock, self.ids)
        self.secrets = SecretRegistry()
        self.proxies = ProxyRegistry(engine.clock, self.ids)
        self.identity = IdentityTokens(engine.clock)
        self.volumes = VolumeRegistry(engine.clock, self.ids)
        self.volume_workers = VolumeWorkers(engine)
        self.volume_files = VolumeFiles(self.volume_workers, engine.clock)
        self.private_copies = (
            PrivateCopies(engine, self.volume_files, self.volume_workers)
            if private_volumes
            else None
        )
        self.lasting_volumes = (
            LastingVolumes(volumes, self.volume_files, self.private_copies) if volumes else None
        )
        self.named_volumes = NamedVolumes(self.volumes, self.lasting_volumes)
        self.uploads = Uploads()
        self.local_files = LocalFileRegistry(self.ids)
        self.transfers = Transfers(self.volume_files, self.uploads)
        self.log_news = LogNews(engine.clock)
        self.sandboxes = SandboxRegistry(engine.clock, self.log_news)
        self.memberships = MembershipRegistry(self.sandboxes)
        self.snapshot_store = SnapshotStore(engine, self.sandboxes.snapshots_in_use)
        self.images = ImageRegistry(self.snapshot_store, engine.clock, self.ids)
        self.encrypted = EncryptedSnapshots(engine.clock, self.ids)
        self.memory_snapshots = MemorySnapshots(self.snapshot_store, engine.clock, self.ids)
        self.registry_images = RegistryImages(
            engine, info, image_aliases or Aliases({}), image_lock
        )
        self.authority = Authority()
        #: Where clients reach the command router over TCP: with TLS, and in plain text.
        self.router_tls_url: str | None = None
        self.router_plain_authority: str | None = None

    @property
    def clock(self) -> Clock:
        """The engine's clock."""
        return self.engine.clock
