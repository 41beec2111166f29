"""The server as a whole: one engine, one state, the servicers, any number of listeners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .model.state import State
from .rpc import peers
from .rpc.faults import FaultInjector
from .rpc.grpc_server import RpcServer
from .rpc.idempotency import Outcomes
from .rpc.middleware import Middleware
from .rpc.recorder import Recorder
from .rpc.services import Services
from .servicers import Servicers

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from pytest_sandbox.engine import Engine, EngineInfo

    from .builds.builder import Builder
    from .model.sandbox import ServedSandbox
    from .own.inspector import ServeModal
    from .registries.aliases import Aliases
    from .registries.lock_file import LockFile
    from .rpc.auth import ListenerConfig


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
            self._exit_snapshot,
        ]
        self.recorder = Recorder(engine.clock, self.state.sandboxes.id_of_task)
        self.faults = FaultInjector(self.state.sandboxes, engine.clock)
        self._middleware = Middleware(self.recorder, self.faults, engine.clock)
        self._outcomes: Outcomes[Any] = Outcomes()
        self._servicers = Servicers(
            self.state,
            self.recorder,
            self.faults,
            self._middleware,
            self._outcomes,
            serve,
            store_layers=store_layers,
        )

    @property
    def builder(self) -> Builder:
        """Builds images."""
        return self._servicers.builder

    def services(self, listener: ListenerConfig) -> Services:
        """The services of one listener."""
        return Services(
            listener,
            self.state.tokens,
            self._outcomes,
            self._middleware,
            self._servicers.of,
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
        await self._servicers.close_builds()
        if self.state.lasting_volumes is not None:
            running = self.state.sandboxes.containers()
            in_use = {volume for sandbox in running for volume in self._written(sandbox)}
            await self.state.lasting_volumes.close(in_use)
        if self.state.private_copies is not None:
            self.state.private_copies.close()
        await self.state.engine.close()
        await self._servicers.close()
        await self.state.close()

    def forget(self) -> None:
        """Refer to nothing that refers back: all has ended, and what is read stays readable.

        Who makes many servers would keep each until the garbage collector looks at all objects.
        """
        self.state.sandboxes.at_end.clear()
        vars(self._servicers).clear()

    def _exit_snapshot(self, sandbox: ServedSandbox) -> None:
        """Have an image of the files of a sandbox that has ended, if one was asked for."""
        if sandbox.spec.exit_snapshot:
            from .snapshots.at_exit import take_exit_snapshot

            take_exit_snapshot(self.state, sandbox)

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
