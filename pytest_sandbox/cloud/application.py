"""The server of a run in the cloud, as a whole."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from pytest_sandbox.engine import SystemClock
from pytest_sandbox.server import (
    FaultInjector,
    ListenerConfig,
    Middleware,
    Outcomes,
    Recorder,
    RouterTokens,
    RpcServer,
    Services,
    refuse_peer,
)

from .commanded import CommandedServicer
from .commands import CommandHistory
from .control import ControlPlane
from .controlled import ControlledServicer
from .inspected import CloudInspector
from .methods import control_methods, router_methods
from .own_calls import OwnServicer
from .routes import Routes
from .sandboxes import CloudSandboxes
from .warnings_of_modal import CloudWarnings

if TYPE_CHECKING:
    from .live import LiveFile
    from .transport.settings import CloudSettings


class CloudApplication:
    """The services of engines of this package, of which Modal does the work.

    Args:
        settings: where Modal is, and the credentials.
        live: the file that names the live sandboxes.
        lifetime: seconds that a sandbox may live at most.

    Attributes:
        control: Modal.
        sandboxes: of this run.
        recorder: of the calls of tests.
        warnings: that tests have not been told yet.
    """

    def __init__(self, settings: CloudSettings, live: LiveFile, lifetime: int) -> None:
        clock = SystemClock()
        self.warnings = CloudWarnings()
        self.control = ControlPlane(settings, self.warnings)
        self.sandboxes = CloudSandboxes(self.control, live)
        self.recorder = Recorder(clock, self.sandboxes.id_of_task)
        self._faults = FaultInjector(self.sandboxes, clock)
        self._middleware = Middleware(self.recorder, self._faults, clock)
        self._tokens = RouterTokens(clock)
        self._routes = Routes(self.control)
        self._history = CommandHistory()
        self._lifetime = lifetime

    def server(self) -> RpcServer:
        """A server for the Unix socket of the run, not yet bound."""
        services = Services(
            ListenerConfig("unix", inspector=True, local=True),
            self._tokens,
            Outcomes[Any](),
            self._middleware,
            self._servicer_of,
        )
        return RpcServer(services, refuse_peer, plain=True)

    async def close(self) -> None:
        """End all sandboxes of the run, and the connections."""
        try:
            await self.sandboxes.close()
        finally:
            self._routes.close()
            self.control.close()

    def _servicer_of(self, rpc: str) -> object | None:
        """The servicer with the handler of an RPC. No two services have one of the same name."""
        if rpc in ("ExecFollow", "SandboxFollow"):  # clients know that they are not there
            return None
        if rpc in control_methods():
            return self._controlled
        if rpc in router_methods():
            return self._commanded
        if hasattr(CloudInspector, rpc):
            return self._inspected
        return self._own

    @cached_property
    def _controlled(self) -> ControlledServicer:
        return ControlledServicer(
            self.control,
            self.sandboxes,
            self._routes,
            self._tokens,
            self.warnings,
            self._lifetime,
        )

    @cached_property
    def _commanded(self) -> CommandedServicer:
        return CommandedServicer(self._routes, self._history)

    @cached_property
    def _inspected(self) -> CloudInspector:
        return CloudInspector(
            self.control, self.sandboxes, self._history, self.recorder, self._faults
        )

    @cached_property
    def _own(self) -> OwnServicer:
        return OwnServicer(self.control, self.sandboxes, self._commanded)
