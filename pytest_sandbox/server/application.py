"""The server put together: one engine, one state, the servicers, any number of listeners."""

from typing import Any

from pytest_sandbox.engine import Engine, EngineInfo

from .model.state import State
from .own.extensions import Extensions
from .own.inspector import Inspector
from .own.stored_images import KeptImages
from .rpc.auth import Listener
from .rpc.dispatch import RpcServer, Services
from .rpc.faults import FaultPlan
from .rpc.idempotency import Outcomes
from .rpc.middleware import Passages
from .rpc.recorder import Recorder
from .v1.apps import Apps
from .v1.container_exec import ContainerExecs
from .v1.container_files import ContainerFiles
from .v1.images import Images
from .v1.logs import Logs
from .v1.router import CommandRouter
from .v1.router_access import RouterAccess
from .v1.router_snapshots import RouterSnapshots
from .v1.sandboxes import Sandboxes
from .v1.secrets import Secrets
from .v1.snapshots import Snapshots
from .v1.tunnels import Tunnels
from .v1.volumes import Volumes


class App:
    """Everything that is served, without a place where it is.

    Args:
        engine: started.
        info: what its start returned.
        seed: makes ids the same in every run; for engines in memory.

    Attributes:
        recorder: the calls that were made, for `pytest_sandbox.Rpcs`.
        faults: what is to go wrong, for `pytest_sandbox.rpcs.Faults`.
    """

    def __init__(self, engine: Engine, info: EngineInfo, *, seed: str | None = None) -> None:
        self.state = State(engine, info, seed=seed)
        self.recorder = Recorder(engine.clock, self.state.boxes.id_of_task)
        self.faults = FaultPlan(self.state)
        self._passages = Passages(self.recorder, self.faults, engine.clock)
        self._outcomes: Outcomes[Any] = Outcomes()
        self._tunnels = Tunnels(self.state)
        volumes = Volumes(self.state)
        self._control = [
            Apps(self.state),
            Images(self.state),
            Secrets(self.state),
            Sandboxes(self.state),
            Logs(self.state),
            ContainerExecs(self.state),
            ContainerFiles(self.state),
            RouterAccess(self.state),
            Snapshots(self.state),
            self._tunnels,
            volumes,
        ]
        self._router = [CommandRouter(self.state), RouterSnapshots(self.state), volumes]
        self._extensions = [Extensions(self.state), KeptImages(self.state)]
        self._inspector = [Inspector(self.state, self.recorder, self.faults)]

    def services(self, listener: Listener) -> Services:
        """What `listener` serves."""
        return Services(
            listener,
            self.state.tokens,
            self._outcomes,
            self._passages,
            control=self._control,
            router=self._router,
            extensions=self._extensions,
            inspector=self._inspector,
        )

    def server(self, listener: Listener) -> RpcServer:
        """A server for `listener`, not yet bound to an address."""
        return RpcServer(self.services(listener))

    async def close(self) -> None:
        """End every sandbox."""
        await self.state.engine.close()
        await self._tunnels.close()
