"""The server as a whole: one engine, one state, the servicers, any number of listeners."""

import ssl
from pathlib import Path
from typing import Any

from pytest_sandbox.engine import Engine, EngineInfo

from .builds.builder import Builder
from .model.creation import SandboxCreator
from .model.sandbox import ServedSandbox
from .model.state import State
from .own.extensions import ExtensionServicer
from .own.inspector import InspectorServicer, ServeModal
from .own.sandbox_networks import SandboxNetworkServicer
from .own.stored_images import StoredImageServicer
from .registries.aliases import Aliases
from .registries.lock_file import LockFile
from .rpc import peers
from .rpc.auth import ListenerConfig
from .rpc.faults import FaultInjector
from .rpc.grpc_server import RpcServer
from .rpc.idempotency import Outcomes
from .rpc.middleware import Middleware
from .rpc.recorder import Recorder
from .rpc.services import Services
from .snapshots.at_exit import take_exit_snapshot
from .v1.apps import AppServicer
from .v1.connect_tokens import ConnectTokenServicer
from .v1.container_exec import ContainerExecServicer
from .v1.container_files import ContainerFileServicer
from .v1.images import ImageServicer
from .v1.local_files import LocalFileServicer
from .v1.logs import LogServicer
from .v1.proxies import ProxyServicer
from .v1.router import CommandRouterServicer
from .v1.router_access import RouterAccessServicer
from .v1.router_network import RouterNetworkServicer
from .v1.router_snapshots import RouterSnapshotServicer
from .v1.sandboxes import SandboxServicer
from .v1.secrets import SecretServicer
from .v1.snapshots import SnapshotServicer
from .v1.tunnels import TunnelServicer
from .v1.volume_files import VolumeFileServicer
from .v1.volumes import VolumeServicer
from .v2.app_log_stream import AppLogStreamServicer
from .v2.app_logs import AppLogServicer
from .v2.exit_snapshots import ExitSnapshotServicer
from .v2.router_access import RouterAccessV2Servicer
from .v2.same_calls import SameCallServicer
from .v2.sandboxes import SandboxV2Servicer
from .v2.sidecars import SidecarServicer
from .v2.snapshots import MemorySnapshotV2Servicer
from .v2.stdio import MainStdioServicer
from .v2.usage import UsageServicer


class Application:
    """The server without its listeners.

    Args:
        engine: started.
        info: what its start returned.
        seed: makes ids the same in every run; only for engines in memory.
        volumes: the folder of named volumes that outlive the run; `None` if none do.
        private_volumes: whether each sandbox has copies of its volumes until they are committed.
        tunnels_for_everybody: whether other users of this machine may connect to tunnels.
        serve: starts another server on the same engine, for the inspector.
        image_aliases: names of images that mean something else.
        image_lock: pins the tags of images; `None` if they are not pinned.
        store_layers: whether layers of builds are stored on disk, for later runs.

    Attributes:
        recorder: the recorded calls, for `pytest_sandbox.Rpcs`.
        builder: builds images.
        faults: the faults that are set, for `pytest_sandbox.rpcs.Faults`.
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
        serve: ServeModal | None = None,
        image_aliases: Aliases | None = None,
        image_lock: LockFile | None = None,
        store_layers: bool = False,
    ) -> None:
        self.state = State(
            engine,
            info,
            seed=seed,
            volumes=volumes,
            private_volumes=private_volumes,
            tunnels_for_everybody=tunnels_for_everybody,
            image_aliases=image_aliases,
            image_lock=image_lock,
        )
        self.state.sandboxes.at_end += [
            self._volumes_at_end,
            lambda sandbox: take_exit_snapshot(self.state, sandbox),
        ]
        self.recorder = Recorder(engine.clock, self.state.sandboxes.id_of_task)
        self.faults = FaultInjector(self.state)
        self._middleware = Middleware(self.recorder, self.faults, engine.clock)
        self._outcomes: Outcomes[Any] = Outcomes()
        self._tunnels = TunnelServicer(self.state)
        self._connect_tokens = ConnectTokenServicer(self.state)
        self.builder = Builder(self.state, store_layers=store_layers)
        creator = SandboxCreator(self.state, self.builder)
        sandboxes = SandboxServicer(self.state, creator)
        volume_calls = VolumeServicer(self.state)
        memory_snapshots = MemorySnapshotV2Servicer(self.state, creator)
        sidecars = SidecarServicer(self.state, creator)
        self._control = [
            AppServicer(self.state),
            ImageServicer(self.state, self.builder),
            SecretServicer(self.state),
            sandboxes,
            SandboxV2Servicer(self.state, creator),
            SameCallServicer(self.state, sandboxes, self._tunnels, self._connect_tokens),
            LogServicer(self.state),
            AppLogServicer(self.state),
            AppLogStreamServicer(self.state),
            ContainerExecServicer(self.state),
            ContainerFileServicer(self.state),
            RouterAccessServicer(self.state),
            RouterAccessV2Servicer(self.state),
            SnapshotServicer(self.state, creator),
            memory_snapshots,
            sidecars,
            ExitSnapshotServicer(self.state),
            UsageServicer(self.state),
            ProxyServicer(self.state),
            self._tunnels,
            self._connect_tokens,
            volume_calls,
            VolumeFileServicer(self.state),
            LocalFileServicer(self.state),
        ]
        self._router = [
            CommandRouterServicer(self.state),
            MainStdioServicer(self.state),
            sidecars,
            memory_snapshots,
            RouterSnapshotServicer(self.state),
            RouterNetworkServicer(self.state),
            volume_calls,
        ]
        self._extensions = [
            ExtensionServicer(self.state, creator),
            SandboxNetworkServicer(self.state, creator),
            StoredImageServicer(self.state),
        ]
        self._inspector = [InspectorServicer(self.state, self.recorder, self.faults, serve)]

    def services(self, listener: ListenerConfig) -> Services:
        """The services of one listener."""
        return Services(
            listener,
            self.state.tokens,
            self._outcomes,
            self._middleware,
            control=self._control,
            router=self._router,
            extensions=self._extensions,
            inspector=self._inspector,
        )

    def server(self, listener: ListenerConfig, tls: ssl.SSLContext | None = None) -> RpcServer:
        """A server for one listener, not yet bound to an address.

        Args:
            listener: where it is going to listen.
            tls: to speak TLS.
        """
        return RpcServer(
            self.services(listener),
            peers.refusal if listener.name == "unix" else None,
            tokens=listener.tokens is not None,
            tls=tls,
            plain=listener.local,
        )

    async def close(self) -> None:
        """Save volumes that outlive the run, and end every build and every sandbox."""
        await self.builder.close()
        if self.state.lasting_volumes is not None:
            running = self.state.sandboxes.containers()
            in_use = {volume for sandbox in running for volume in self._written(sandbox)}
            await self.state.lasting_volumes.close(in_use)
        if self.state.private_copies is not None:
            self.state.private_copies.close()
        await self.state.engine.close()
        self.state.encrypted.close()
        await self._tunnels.close()
        await self._connect_tokens.close()
        await self.state.transfers.close()

    def _volumes_at_end(self, sandbox: ServedSandbox) -> None:
        """Commit and save what a sandbox that has ended wrote to its volumes."""
        volumes = self._written(sandbox)
        copies, lasting = self.state.private_copies, self.state.lasting_volumes
        names = [mount.volume for mount in sandbox.spec.volumes]
        if copies is not None and names:
            sandbox.commit = copies.end(names)
        if lasting is not None:
            lasting.save_soon(volumes, sandbox.commit)

    def _written(self, sandbox: ServedSandbox) -> list[str]:
        """The volumes that a sandbox may have written to, by the engine's names."""
        copies = self.state.private_copies
        names = [mount.volume for mount in sandbox.spec.volumes if not mount.read_only]
        return names if copies is None else [copies.volume_of(name) for name in names]
