"""What is between a check and a server, and a server that any engine can be put below."""

import os
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from grpclib.client import Channel

from pytest_sandbox._proto import apps_pb2, common_pb2, images_pb2, router_grpc, router_pb2
from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox._proto.control_grpc import ModalClientStub
from pytest_sandbox.client import Client, Image, Sandbox
from pytest_sandbox.engine import Engine, EngineInfo
from pytest_sandbox.server.rpc.auth import ListenerConfig

from .engine_proxy import EngineProxy
from .tampering import Tampering


@dataclass(frozen=True)
class Raw:
    """A sandbox that was created by bare messages."""

    id: str
    task_id: str
    auth: Mapping[str, str]


@dataclass(frozen=True)
class Wire:
    """A server, as clients reach it: by the client, and by bare messages."""

    engine: EngineProxy
    client: Client
    control: ModalClientStub
    router: router_grpc.TaskCommandRouterStub

    @asynccontextmanager
    async def sandbox(self, *args: str, **options: Any) -> AsyncIterator[Sandbox]:
        """A sandbox for the length of a `with`."""
        sandbox = await Sandbox.create.aio(*args, client=self.client, **options)
        try:
            yield sandbox
        finally:
            await sandbox.terminate.aio()

    async def environment(self, name: str) -> None:
        """Make an environment."""
        request = apps_pb2.EnvironmentGetOrCreateRequest(
            deployment_name=name,
            object_creation_type=common_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING,
        )
        await self.control.EnvironmentGetOrCreate(request)

    async def creation(self) -> pb.SandboxCreateRequest:
        """A request that creates a sandbox without a main process."""
        app = apps_pb2.AppGetOrCreateRequest(
            app_name="wire", object_creation_type=common_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING
        )
        image = images_pb2.Image(dockerfile_commands=["FROM debian:12"])
        made = await self.control.ImageGetOrCreate(images_pb2.ImageGetOrCreateRequest(image=image))
        return pb.SandboxCreateRequest(
            app_id=(await self.control.AppGetOrCreate(app)).app_id,
            definition=pb.Sandbox(image_id=made.image_id, timeout_secs=60),
        )

    @asynccontextmanager
    async def raw(self, *tags: str) -> AsyncIterator[Raw]:
        """A sandbox by bare messages, for the length of a `with`, with tags of these names."""
        request = await self.creation()
        request.tags.extend(pb.SandboxTag(tag_name=tag, tag_value="yes") for tag in tags)
        async with self.control.SandboxCreate.open() as stream:
            await stream.send_message(request, end=True)
            response = await stream.recv_message()
            assert response is not None
            assert stream.initial_metadata is not None
            entries = {name: str(value) for name, value in stream.initial_metadata.items()}
        auth = {"authorization": f"Bearer {entries['x-sandbox-router-jwt']}"}
        try:
            yield Raw(response.sandbox_id, entries["x-sandbox-task-id"], auth)
        finally:
            end = pb.SandboxTerminateRequest(sandbox_id=response.sandbox_id)
            await self.control.SandboxTerminate(end)

    async def snapshot(self, sandbox: Raw, snapshot_id: str, ttl: int = -1) -> Image:
        """An image of all files, under an id, for so many seconds."""
        request = router_pb2.TaskSnapshotFilesystemRequest(
            task_id=sandbox.task_id, snapshot_id=snapshot_id, ttl_seconds=ttl
        )
        response = await self.router.TaskSnapshotFilesystem(request, metadata=sandbox.auth)
        return Image.from_id(response.image_id)

    async def start(
        self, sandbox: Raw, exec_id: str, *argv: str, timeout: int | None = None
    ) -> None:
        """Start a command under an id."""
        request = router_pb2.TaskExecStartRequest(
            task_id=sandbox.task_id,
            exec_id=exec_id,
            command_args=argv,
            timeout_secs=timeout,
            stdout_config=router_pb2.TASK_EXEC_STDOUT_CONFIG_PIPE,
            stderr_config=router_pb2.TASK_EXEC_STDERR_CONFIG_PIPE,
        )
        await self.router.TaskExecStart(request, metadata=sandbox.auth)

    async def feed(
        self, sandbox: Raw, exec_id: str, offset: int, data: bytes, *, eof: bool = False
    ) -> None:
        """Write to a command at an offset."""
        request = router_pb2.TaskExecStdinWriteRequest(
            task_id=sandbox.task_id, exec_id=exec_id, offset=offset, data=data, eof=eof
        )
        await self.router.TaskExecStdinWrite(request, metadata=sandbox.auth)

    async def output(self, sandbox: Raw, exec_id: str, offset: int = 0) -> bytes:
        """What a command writes from an offset on."""
        request = router_pb2.TaskExecStdioReadRequest(
            task_id=sandbox.task_id,
            exec_id=exec_id,
            file_descriptor=router_pb2.TASK_EXEC_STDIO_FILE_DESCRIPTOR_STDOUT,
            offset=offset,
        )
        messages = await self.router.TaskExecStdioRead(request, metadata=sandbox.auth)
        return b"".join(message.data for message in messages)

    async def end(self, sandbox: Raw, exec_id: str) -> router_pb2.TaskExecWaitResponse:
        """How a command ended, when it has."""
        request = router_pb2.TaskExecWaitRequest(task_id=sandbox.task_id, exec_id=exec_id)
        return await self.router.TaskExecWait(request, metadata=sandbox.auth)

    async def run(self, sandbox: Raw, *argv: str) -> bytes:
        """What a command writes to standard output."""
        exec_id = f"run-{os.urandom(8).hex()}"
        await self.start(sandbox, exec_id, *argv)
        return await self.output(sandbox, exec_id)


@asynccontextmanager
async def serve(
    engine: Engine, info: EngineInfo, apply: Callable[[Tampering], None] = lambda _: None
) -> AsyncIterator[Wire]:
    """A server over an engine that was started before, and that goes on after it.

    Args:
        engine: runs the sandboxes.
        info: what its start returned.
        apply: makes something about the server wrong.
    """
    tampering = Tampering()
    apply(tampering)
    proxy = tampering.engine(engine)
    app = tampering.application(proxy, info)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(proxy.close)
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        path = os.path.join(folder, "socket")
        server = tampering.server(app, ListenerConfig("unix", inspector=True, local=True))
        await server.start(path=path)
        stack.push_async_callback(server.wait_closed)
        stack.callback(server.close)
        channel = Channel(path=path)
        stack.callback(channel.close)
        client = Client(path)
        stack.push_async_callback(client.close.aio)
        router = router_grpc.TaskCommandRouterStub(channel)
        yield Wire(proxy, client, ModalClientStub(channel), router)
