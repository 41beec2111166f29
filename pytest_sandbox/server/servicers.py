"""The servicers of a server, each imported and made by the first call of one of its RPCs."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .builds.builder import Builder
    from .model.creation import SandboxCreator
    from .model.state import State
    from .own.extensions import ExtensionServicer
    from .own.following import FollowServicer
    from .own.inspector import InspectorServicer, ServeModal
    from .own.main_following import MainFollowServicer
    from .own.sandbox_networks import SandboxNetworkServicer
    from .own.stored_images import StoredImageServicer
    from .rpc.faults import FaultInjector
    from .rpc.idempotency import Outcomes
    from .rpc.middleware import Middleware
    from .rpc.recorder import Recorder
    from .v1.apps import AppServicer
    from .v1.connect_tokens import ConnectTokenServicer
    from .v1.container_exec import ContainerExecServicer
    from .v1.container_files import ContainerFileServicer
    from .v1.environments import EnvironmentServicer
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

#: The RPCs of each servicer. No two services have one of the same name.
RPCS: Mapping[str, str] = {
    # The control plane
    "apps": (
        "ClientHello AuthTokenGet AppGetOrCreate AppCreate AppPublish AppHeartbeat "
        "AppClientDisconnect AppStop AppList AppGetByDeploymentName AppGetLifecycle AppGetInfo "
        "AppGetTags AppSetTags"
    ),
    "environments": (
        "EnvironmentGetOrCreate EnvironmentCreate EnvironmentList EnvironmentUpdate "
        "EnvironmentDelete"
    ),
    "app_logs": "AppFetchLogs AppCountLogs",
    "app_log_stream": "AppGetLogs",
    "images": "ImageGetOrCreate ImageDelete ImageJoinStreaming ImageFromId",
    "local_files": "MountBatchedCheckExistence MountGetOrCreate",
    "secrets": "SecretGetOrCreate SecretList SecretGetInfo SecretUpdate SecretDelete",
    "proxies": "ProxyGet ProxyList",
    "sandboxes": (
        "SandboxCreate SandboxGetTaskId SandboxWait SandboxTerminate SandboxList SandboxTagsGet "
        "SandboxTagsSet SandboxGetFromName SandboxStdinWrite"
    ),
    "sandboxes_v2": "SandboxCreateV2 SandboxSetName",
    "same_calls": (
        "SandboxListV2 SandboxGetFromNameV2 SandboxGetTaskIdV2 SandboxWaitV2 SandboxTerminateV2 "
        "SandboxTagsGetV2 SandboxTagsSetV2 SandboxGetTunnelsV2 SandboxCreateConnectTokenV2"
    ),
    "logs": "SandboxGetLogs",
    "usage": "SandboxGetResourceUsage SandboxGetStats SandboxGetStatsV2",
    "tunnels": "SandboxGetTunnels",
    "connect_tokens": "SandboxCreateConnectToken",
    "snapshots": (
        "SandboxSnapshotFs SandboxSnapshot SandboxSnapshotWait SandboxSnapshotGet SandboxRestore"
    ),
    "exit_snapshots": "SandboxGetExitSnapshot SandboxGetExitSnapshotV2",
    "container_exec": (
        "ContainerExec ContainerExecGetOutput ContainerExecPutInput ContainerExecWait"
    ),
    "container_files": "ContainerFilesystemExec ContainerFilesystemExecGetOutput",
    "router_access": "TaskGetCommandRouterAccess",
    "router_access_v2": "SandboxGetCommandRouterAccess",
    "volume_files": (
        "VolumeListFiles VolumeListFiles2 VolumeGetFile VolumeGetFile2 MountPutFile BlobCreate "
        "VolumePutFiles VolumePutFiles2 VolumeRemoveFile VolumeRemoveFile2 VolumeCopyFiles "
        "VolumeCopyFiles2"
    ),
    # The control plane and the command router
    "volumes": (
        "VolumeGetOrCreate VolumeGetById VolumeHeartbeat VolumeList VolumeRename VolumeDelete "
        "VolumeCommit VolumeReload ContainerReloadVolumes TaskReloadVolumes"
    ),
    "sidecars": (
        "SandboxContainerCreateV2 TaskContainerCreate TaskContainerGet TaskContainerList "
        "TaskContainerWait TaskContainerTerminate"
    ),
    "memory_snapshots": "TaskSnapshotMemory SandboxRestoreV2",
    # The command router
    "router": (
        "TaskExecStart TaskExecPoll TaskExecWait TaskExecStdioRead TaskExecStdinWrite "
        "TaskExecStdinWriteStream TaskExecStdinStatus SandboxWaitUntilReady"
    ),
    "main_stdio": "SandboxStdioReadV2 SandboxStdinWriteV2",
    "router_snapshots": (
        "TaskSnapshotFilesystem TaskSnapshotDirectory TaskMountDirectory TaskUnmountDirectory"
    ),
    "router_network": "TaskSetNetworkAccess",
    # Our own additions
    "extensions": (
        "SandboxRestoreImage SandboxUsage SandboxSnapshotEnd SandboxPrepare ImageForget "
        "SnapshotForget ExecKill"
    ),
    "following": "ExecFollow",
    "main_following": "SandboxFollow",
    "sandbox_networks": "SandboxCreateInNetwork SandboxRestoreInNetwork",
    "stored_images": "ImageKeep ImageRecall ImageFromArchive",
    # The inspector
    "inspector": (
        "Engine Describe End RecordStart RecordStop Record FaultSet FaultList FaultClear Serve "
        "Preset Sandboxes"
    ),
}
_SERVICER_OF = {rpc: name for name, rpcs in RPCS.items() for rpc in rpcs.split()}


class Servicers:
    """The servicers of one server.

    Args:
        state: the server's.
        recorder: of its calls.
        faults: those that are set.
        middleware: records and disturbs calls.
        outcomes: of calls with an idempotency key.
        serve: starts another server on the same engine, for the inspector.
        store_layers: whether layers of builds are stored on disk, for later runs.
    """

    def __init__(
        self,
        state: State,
        recorder: Recorder,
        faults: FaultInjector,
        middleware: Middleware,
        outcomes: Outcomes[Any],
        serve: ServeModal | None,
        *,
        store_layers: bool,
    ) -> None:
        self._state = state
        self._recorder = recorder
        self._faults = faults
        self._middleware = middleware
        self._outcomes = outcomes
        self._serve = serve
        self._store_layers = store_layers

    def of(self, rpc: str) -> object | None:
        """The servicer with the handler of an RPC; `None` if none has one."""
        return getattr(self, _SERVICER_OF[rpc]) if rpc in _SERVICER_OF else None

    async def close_builds(self) -> None:
        """End all builds, and store what is not stored yet."""
        if "builder" in vars(self):
            await self.builder.close()

    async def close(self) -> None:
        """End what outlives the calls."""
        for name in {"tunnels", "connect_tokens"} & vars(self).keys():
            await getattr(self, name).close()

    # First what several of them use, then they in the order of `RPCS`

    @cached_property
    def builder(self) -> Builder:
        """Builds images."""
        from .builds.builder import Builder

        return Builder(self._state, store_layers=self._store_layers)

    @cached_property
    def creator(self) -> SandboxCreator:
        """Creates sandboxes."""
        from .model.creation import SandboxCreator

        return SandboxCreator(self._state, lambda: self.builder)

    @cached_property
    def apps(self) -> AppServicer:
        """The RPCs of apps and client sessions."""
        from .v1.apps import AppServicer

        return AppServicer(self._state)

    @cached_property
    def environments(self) -> EnvironmentServicer:
        """The RPCs of environments."""
        from .v1.environments import EnvironmentServicer

        return EnvironmentServicer(self._state)

    @cached_property
    def app_logs(self) -> AppLogServicer:
        """The RPCs behind `Sandbox.logs`."""
        from .v2.app_logs import AppLogServicer

        return AppLogServicer(self._state)

    @cached_property
    def app_log_stream(self) -> AppLogStreamServicer:
        """The RPC behind `App.logs.stream`, and what clients show while an app runs."""
        from .v2.app_log_stream import AppLogStreamServicer

        return AppLogStreamServicer(self._state)

    @cached_property
    def images(self) -> ImageServicer:
        """The image RPCs."""
        from .v1.images import ImageServicer

        return ImageServicer(self._state, lambda: self.builder)

    @cached_property
    def local_files(self) -> LocalFileServicer:
        """The RPCs for local files, besides those that take their contents."""
        from .v1.local_files import LocalFileServicer

        return LocalFileServicer(self._state)

    @cached_property
    def secrets(self) -> SecretServicer:
        """The secret RPCs."""
        from .v1.secrets import SecretServicer

        return SecretServicer(self._state)

    @cached_property
    def proxies(self) -> ProxyServicer:
        """The RPCs behind `modal.Proxy.from_name`."""
        from .v1.proxies import ProxyServicer

        return ProxyServicer(self._state)

    @cached_property
    def sandboxes(self) -> SandboxServicer:
        """The sandbox RPCs."""
        from .v1.sandboxes import SandboxServicer

        return SandboxServicer(self._state, self.creator)

    @cached_property
    def sandboxes_v2(self) -> SandboxV2Servicer:
        """The RPCs that create a sandbox, and name it later."""
        from .v2.sandboxes import SandboxV2Servicer

        return SandboxV2Servicer(self._state, self.creator)

    @cached_property
    def same_calls(self) -> SameCallServicer:
        """The RPCs of the second version that have messages of the first."""
        from .v2.same_calls import SameCallServicer

        return SameCallServicer(self._state, self.sandboxes, self.tunnels, self.connect_tokens)

    @cached_property
    def logs(self) -> LogServicer:
        """The log RPC."""
        from .v1.logs import LogServicer

        return LogServicer(self._state)

    @cached_property
    def usage(self) -> UsageServicer:
        """The RPCs behind `Sandbox._experimental_stats`; nothing costs anything here."""
        from .v2.usage import UsageServicer

        return UsageServicer(self._state)

    @cached_property
    def tunnels(self) -> TunnelServicer:
        """The tunnel RPC."""
        from .v1.tunnels import TunnelServicer

        return TunnelServicer(self._state)

    @cached_property
    def connect_tokens(self) -> ConnectTokenServicer:
        """The RPC that makes connect tokens."""
        from .v1.connect_tokens import ConnectTokenServicer

        return ConnectTokenServicer(self._state)

    @cached_property
    def snapshots(self) -> SnapshotServicer:
        """The RPCs that take snapshots of sandboxes, and the one that resumes a memory snapshot."""
        from .v1.snapshots import SnapshotServicer

        return SnapshotServicer(self._state, self.creator)

    @cached_property
    def exit_snapshots(self) -> ExitSnapshotServicer:
        """The RPCs behind `Sandbox._experimental_get_exit_snapshot`, the same for both versions."""
        from .v2.exit_snapshots import ExitSnapshotServicer

        return ExitSnapshotServicer(self._state)

    @cached_property
    def container_exec(self) -> ContainerExecServicer:
        """The ContainerExec RPCs."""
        from .v1.container_exec import ContainerExecServicer

        return ContainerExecServicer(self._state)

    @cached_property
    def container_files(self) -> ContainerFileServicer:
        """The ContainerFilesystemExec RPCs."""
        from .v1.container_files import ContainerFileServicer

        return ContainerFileServicer(self._state)

    @cached_property
    def router_access(self) -> RouterAccessServicer:
        """The RPC of the control plane that gives a client an address it accepts."""
        from .v1.router_access import RouterAccessServicer

        return RouterAccessServicer(self._state)

    @cached_property
    def router_access_v2(self) -> RouterAccessV2Servicer:
        """The RPC that gives a client an address that it accepts."""
        from .v2.router_access import RouterAccessV2Servicer

        return RouterAccessV2Servicer(self._state)

    @cached_property
    def volume_files(self) -> VolumeFileServicer:
        """The RPCs for files of volumes."""
        from .v1.volume_files import VolumeFileServicer

        return VolumeFileServicer(self._state)

    @cached_property
    def volumes(self) -> VolumeServicer:
        """The volume RPCs, of the control plane and of the command router."""
        from .v1.volumes import VolumeServicer

        return VolumeServicer(self._state)

    @cached_property
    def sidecars(self) -> SidecarServicer:
        """The RPCs about sidecars; all that is done in one is done by the RPCs about sandboxes."""
        from .v2.sidecars import SidecarServicer

        return SidecarServicer(self._state, self.creator)

    @cached_property
    def memory_snapshots(self) -> MemorySnapshotV2Servicer:
        """The RPCs that take a snapshot of files and processes, and resume it."""
        from .v2.snapshots import MemorySnapshotV2Servicer

        return MemorySnapshotV2Servicer(self._state, self.creator)

    @cached_property
    def router(self) -> CommandRouterServicer:
        """The command router RPCs; a caller's token must be of the task it names."""
        from .v1.router import CommandRouterServicer

        return CommandRouterServicer(self._state)

    @cached_property
    def main_stdio(self) -> MainStdioServicer:
        """The RPCs that read and write the standard streams of the main process."""
        from .v2.stdio import MainStdioServicer

        return MainStdioServicer(self._state)

    @cached_property
    def router_snapshots(self) -> RouterSnapshotServicer:
        """The RPCs that snapshot the files of a task, and mount snapshots of directories."""
        from .v1.router_snapshots import RouterSnapshotServicer

        return RouterSnapshotServicer(self._state)

    @cached_property
    def router_network(self) -> RouterNetworkServicer:
        """The RPC that changes where connections of a task may lead."""
        from .v1.router_network import RouterNetworkServicer

        return RouterNetworkServicer(self._state)

    @cached_property
    def extensions(self) -> ExtensionServicer:
        """The RPCs that Modal does not have, except those of the inspector and of stored images."""
        from .own.extensions import ExtensionServicer

        return ExtensionServicer(self._state, self.creator)

    @cached_property
    def following(self) -> FollowServicer:
        """The RPC that starts a command and follows it."""
        from .own.following import FollowServicer

        return FollowServicer(self._state, self._middleware)

    @cached_property
    def main_following(self) -> MainFollowServicer:
        """The RPC that creates a sandbox and follows its main process."""
        from .own.main_following import MainFollowServicer

        return MainFollowServicer(self._state, self._middleware, self._outcomes, self.of)

    async def _tell_followers(self) -> None:
        for name in {"following", "main_following"} & vars(self).keys():
            await getattr(self, name).tell()

    @cached_property
    def sandbox_networks(self) -> SandboxNetworkServicer:
        """The RPCs that create sandboxes in networks of sandboxes."""
        from .own.sandbox_networks import SandboxNetworkServicer

        return SandboxNetworkServicer(self._state, self.creator)

    @cached_property
    def stored_images(self) -> StoredImageServicer:
        """The RPCs that store and load images."""
        from .own.stored_images import StoredImageServicer

        return StoredImageServicer(self._state)

    @cached_property
    def inspector(self) -> InspectorServicer:
        """The inspector RPCs."""
        from .own.inspector import InspectorServicer

        return InspectorServicer(
            self._state, self._recorder, self._faults, self._tell_followers, self._serve
        )
