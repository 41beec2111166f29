"""A server with parts exchanged, and with messages altered between its handlers and the wire.

A mutation changes a `Tampering` before the server starts. It reaches the server only where others
do as well: by messages, by the engine contract, and by the classes that a state is made of.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from grpclib.const import Handler

from pytest_sandbox._proto import extensions_pb2
from pytest_sandbox.engine import Engine, EngineInfo
from pytest_sandbox.server.application import Application
from pytest_sandbox.server.model.images import ImageRegistry
from pytest_sandbox.server.model.sandboxes import SandboxRegistry
from pytest_sandbox.server.rpc.auth import ListenerConfig
from pytest_sandbox.server.rpc.grpc_server import RpcServer
from pytest_sandbox.server.rpc.services import Services
from pytest_sandbox.server.snapshots.memory import MemorySnapshots
from pytest_sandbox.server.snapshots.store import SnapshotStore

from .engine_proxy import EngineProxy

#: What calls of ours stand for, and what goes on by calls beside them.
STOOD_FOR = {
    "ExecFollow": {
        "TaskExecStart",
        "TaskExecStdinWrite",
        "TaskExecStdioRead",
        "TaskExecWait",
        "TaskExecPoll",
    },
    "SandboxFollow": {"SandboxCreate", "SandboxRestore", "SandboxGetLogs", "SandboxWait"},
}
_APART = {
    "ExecFollow": extensions_pb2.ExecFollowResponse(apart=True),
    "SandboxFollow": extensions_pb2.SandboxFollowResponse(apart=True),
}
#: Answers a call.
Serve = Callable[[Any], Awaitable[None]]
#: Answers a call by, or without, the handler of the server.
Around = Callable[[Any, Serve], Awaitable[None]]


def in_use(sandboxes: SandboxRegistry) -> Iterable[str]:
    """The snapshots that must not be evicted, as a sound server has it."""
    return sandboxes.snapshots_in_use()


class Tampering:
    """What is different about one server; nothing, to begin with.

    Attributes:
        engine: the class of what is between the server and its engine.
        images: the class of its images.
        store: the class of its store of snapshots.
        in_use: says which snapshots are in use.
    """

    def __init__(self) -> None:
        self.engine: type[EngineProxy] = EngineProxy
        self.images: type[ImageRegistry] = ImageRegistry
        self.store: type[SnapshotStore] = SnapshotStore
        self.in_use: Callable[[SandboxRegistry], Iterable[str]] = in_use
        self._around: dict[str, list[Around]] = {}

    def around(self, rpc: str, around: Around) -> None:
        """Have calls of an RPC answered by `around`, which is given the stream and the handler."""
        self._around.setdefault(rpc, []).append(around)

    def request(self, rpc: str, change: Callable[[Any], object]) -> None:
        """Have each request of an RPC changed before the handler gets it."""

        async def around(stream: Any, serve: Serve) -> None:
            await serve(ChangedRequests(stream, change))

        self.around(rpc, around)

    def response(self, rpc: str, change: Callable[[Any, Any], object]) -> None:
        """Have each response of an RPC changed; `change` is given its request too."""

        async def around(stream: Any, serve: Serve) -> None:
            await serve(ChangedResponses(stream, change))

        self.around(rpc, around)

    def skip(self, rpc: str, response: type[Any]) -> None:
        """Have calls of an RPC answered as if all were done, and do nothing."""

        async def around(stream: Any, serve: Serve) -> None:
            await stream.recv_message()
            await stream.send_message(response())

        self.around(rpc, around)

    def application(self, engine: Engine, info: EngineInfo) -> Application:
        """A server of the exchanged parts."""
        app = Application(engine, info)
        state = app.state
        state.snapshot_store = self.store(engine, lambda: self.in_use(state.sandboxes))
        state.images = self.images(state.snapshot_store, state.clock, state.ids)
        state.memory_snapshots = MemorySnapshots(state.snapshot_store, state.clock, state.ids)
        return app

    def server(self, app: Application, listener: ListenerConfig) -> RpcServer:
        """The server as one listener serves it, with altered messages."""
        return RpcServer(AlteredServices(app.services(listener), self._around))


class AlteredServices:
    """Services whose calls go through the functions of a `Tampering` on their way."""

    def __init__(self, services: Services, around: dict[str, list[Around]]) -> None:
        self._services = services
        self._around = around

    def handler(self, path: str) -> Handler | None:
        handler = self._services.handler(path)
        return handler and handler._replace(func=self._altered(path, handler.func))

    def _altered(self, path: str, serve: Serve) -> Serve:
        rpc = path.rpartition("/")[2]
        if not STOOD_FOR.get(rpc, set()).isdisjoint(self._around):
            return _apart(rpc)
        for around in self._around.get(rpc, ()):
            serve = _through(around, serve)
        return serve

    def refusal(self, path: str) -> Serve:
        return self._services.refusal(path)


def _apart(rpc: str) -> Serve:
    """Have the calls made that a call of ours stands for, as one of them is altered."""

    async def apart(stream: Any) -> None:
        await stream.recv_message()
        await stream.send_message(_APART[rpc])

    return apart


def _through(around: Around, serve: Serve) -> Serve:
    async def through(stream: Any) -> None:
        await around(stream, serve)

    return through


class StreamProxy:
    """The stream of a call, in front of the real one; the base of those that alter something."""

    def __init__(self, stream: Any) -> None:
        self.behind = stream
        self.metadata = stream.metadata
        self.peer = stream.peer
        self.deadline = stream.deadline

    async def recv_message(self) -> Any:
        return await self.behind.recv_message()

    async def send_initial_metadata(self, *, metadata: Any = None) -> None:
        await self.behind.send_initial_metadata(metadata=metadata)

    async def send_message(self, message: Any) -> None:
        await self.behind.send_message(message)

    async def cancel(self) -> None:
        await self.behind.cancel()


class ChangedRequests(StreamProxy):
    """Changes what the client sends."""

    def __init__(self, stream: Any, change: Callable[[Any], object]) -> None:
        super().__init__(stream)
        self._change = change

    async def recv_message(self) -> Any:
        message = await super().recv_message()
        if message is not None:
            self._change(message)
        return message


class ChangedResponses(StreamProxy):
    """Changes what the handler answers."""

    def __init__(self, stream: Any, change: Callable[[Any, Any], object]) -> None:
        super().__init__(stream)
        self._change = change
        self._request: Any = None

    async def recv_message(self) -> Any:
        self._request = await super().recv_message()
        return self._request

    async def send_message(self, message: Any) -> None:
        changed = type(message)()  # the server may answer a repeated call with the same message
        changed.CopyFrom(message)
        self._change(self._request, changed)
        await super().send_message(changed)


class ExtraCall(StreamProxy):
    """A call that no client made; its answer is dropped."""

    def __init__(self, stream: Any, request: Any) -> None:
        super().__init__(stream)
        self.metadata = {
            name: value for name, value in stream.metadata.items() if name != "x-idempotency-key"
        }
        self._request = request

    async def recv_message(self) -> Any:
        return self._request

    async def send_initial_metadata(self, *, metadata: Any = None) -> None:
        pass

    async def send_message(self, message: Any) -> None:
        pass
