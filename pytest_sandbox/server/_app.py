"""The server put together: one engine, one state, the servicers, any number of listeners."""

from typing import Any

from pytest_sandbox.engine import Engine, EngineInfo

from ._auth import Listener
from ._faults import FaultPlan
from ._idempotency import Outcomes
from ._passage import Passages
from ._recorder import Recorder
from ._rpc import RpcServer, Services
from ._state import State
from .apps import Apps
from .container_exec import ContainerExecs
from .container_files import ContainerFiles
from .extensions import Extensions
from .images import Images
from .inspector import Inspector
from .kept_images import KeptImages
from .logs import Logs
from .router import CommandRouter
from .router_access import RouterAccess
from .router_snapshots import RouterSnapshots
from .sandboxes import Sandboxes
from .secrets import Secrets
from .snapshots import Snapshots
from .tunnels import Tunnels
from .volumes import Volumes


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
