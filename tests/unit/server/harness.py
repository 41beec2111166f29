"""What the tests of the server hold: stubs of gRPC, an engine in memory, and a few verbs."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from grpclib import GRPCError, Status
from grpclib.client import Channel
from grpclib.testing import ChannelFor

from pytest_sandbox._proto import (
    apps_pb2,
    common_pb2,
    images_pb2,
    inspector_grpc,
    router_grpc,
    router_pb2,
    sandboxes_pb2,
)
from pytest_sandbox._proto.control_grpc import ModalClientStub
from pytest_sandbox.engine import Engine
from pytest_sandbox.fakes import VirtualClock
from pytest_sandbox.rpcs import StatusDetails
from pytest_sandbox.server.application import Application
from pytest_sandbox.server.rpc.auth import ListenerConfig

from .engines import GatedEngine, GatedTask

STDOUT = common_pb2.FILE_DESCRIPTOR_STDOUT
STDERR = common_pb2.FILE_DESCRIPTOR_STDERR
OUT = router_pb2.TASK_EXEC_STDIO_FILE_DESCRIPTOR_STDOUT
ERR = router_pb2.TASK_EXEC_STDIO_FILE_DESCRIPTOR_STDERR
UNIX = ListenerConfig("unix", inspector=True, local=True)


@dataclass
class Created:
    """A sandbox, and what is needed to command it."""

    id: str
    task_id: str
    auth: dict[str, str]
    made: GatedTask | None

    @property
    def task(self) -> GatedTask:
        """What a `GatedEngine` made."""
        assert self.made is not None
        return self.made


class Harness:
    def __init__(self, app: Application, engine: Engine, channel: Channel) -> None:
        self.app = app
        self._engine = engine
        self.channel = channel
        self.control = ModalClientStub(channel)
        self.router = router_grpc.TaskCommandRouterStub(channel)
        self.inspector = inspector_grpc.InspectorStub(channel)
        self._app_id = ""
        self._image_id = ""

    @property
    def engine(self) -> GatedEngine:
        assert isinstance(self._engine, GatedEngine)
        return self._engine

    @property
    def clock(self) -> VirtualClock:
        return self.engine.clock

    async def app_id(self, metadata: Mapping[str, str] | None = None) -> str:
        if not self._app_id:
            request = apps_pb2.AppGetOrCreateRequest(
                app_name="tests",
                object_creation_type=common_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING,
            )
            response = await self.control.AppGetOrCreate(request, metadata=metadata)
            self._app_id = response.app_id
        return self._app_id

    def forget_app(self) -> None:
        """Look the app up again when it is needed."""
        self._app_id = ""

    async def image_id(self, metadata: Mapping[str, str] | None = None) -> str:
        if not self._image_id:
            image = images_pb2.Image(dockerfile_commands=["FROM debian:12"])
            request = images_pb2.ImageGetOrCreateRequest(image=image)
            response = await self.control.ImageGetOrCreate(request, metadata=metadata)
            self._image_id = response.image_id
        return self._image_id

    async def definition(self, *argv: str, **fields: Any) -> sandboxes_pb2.Sandbox:
        return sandboxes_pb2.Sandbox(
            entrypoint_args=argv, **{"image_id": await self.image_id(), **fields}
        )

    async def create(
        self,
        *argv: str,
        tags: Mapping[str, str] | None = None,
        metadata: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> Created:
        await self.image_id(metadata)
        request = sandboxes_pb2.SandboxCreateRequest(
            app_id=await self.app_id(metadata),
            definition=await self.definition(*argv, **fields),
            tags=[
                sandboxes_pb2.SandboxTag(tag_name=name, tag_value=value)
                for name, value in (tags or {}).items()
            ],
        )
        async with self.control.SandboxCreate.open(metadata=metadata) as stream:
            await stream.send_message(request, end=True)
            response = await stream.recv_message()
            assert response is not None
            initial = stream.initial_metadata
            assert initial is not None
        token = str(initial["x-sandbox-router-jwt"])
        return Created(
            response.sandbox_id,
            str(initial["x-sandbox-task-id"]),
            {"authorization": f"Bearer {token}"},
            self.engine.tasks[-1] if isinstance(self._engine, GatedEngine) else None,
        )

    async def wait(self, sandbox: Created, timeout: float = 0) -> common_pb2.GenericResult:
        request = sandboxes_pb2.SandboxWaitRequest(sandbox_id=sandbox.id, timeout=timeout)
        return (await self.control.SandboxWait(request)).result

    async def terminate(self, sandbox: Created) -> None:
        request = sandboxes_pb2.SandboxTerminateRequest(sandbox_id=sandbox.id)
        await self.control.SandboxTerminate(request)

    async def logs(
        self, sandbox: Created, descriptor: common_pb2.FileDescriptor = STDOUT, entry: str = ""
    ) -> str:
        request = sandboxes_pb2.SandboxGetLogsRequest(
            sandbox_id=sandbox.id, file_descriptor=descriptor, timeout=55, last_entry_id=entry
        )
        batches = await self.control.SandboxGetLogs(request)
        return "".join(item.data for batch in batches for item in batch.items)

    async def exec(self, sandbox: Created, *argv: str, exec_id: str = "", **fields: Any) -> str:
        exec_id = exec_id or str(uuid4())
        request = router_pb2.TaskExecStartRequest(
            task_id=sandbox.task_id,
            exec_id=exec_id,
            command_args=argv,
            **{"stdout_config": 1, "stderr_config": 1, **fields},
        )
        await self.router.TaskExecStart(request, metadata=sandbox.auth)
        return exec_id

    async def output(
        self,
        sandbox: Created,
        exec_id: str,
        descriptor: router_pb2.TaskExecStdioFileDescriptor = OUT,
        offset: int = 0,
    ) -> bytes:
        request = router_pb2.TaskExecStdioReadRequest(
            task_id=sandbox.task_id, exec_id=exec_id, file_descriptor=descriptor, offset=offset
        )
        messages = await self.router.TaskExecStdioRead(request, metadata=sandbox.auth)
        assert all(message.data for message in messages)
        return b"".join(message.data for message in messages)

    async def code(self, sandbox: Created, exec_id: str) -> router_pb2.TaskExecWaitResponse:
        request = router_pb2.TaskExecWaitRequest(task_id=sandbox.task_id, exec_id=exec_id)
        return await self.router.TaskExecWait(request, metadata=sandbox.auth)

    async def write(
        self, sandbox: Created, exec_id: str, data: bytes, offset: int = 0, eof: bool = False
    ) -> None:
        request = router_pb2.TaskExecStdinWriteRequest(
            task_id=sandbox.task_id, exec_id=exec_id, offset=offset, data=data, eof=eof
        )
        await self.router.TaskExecStdinWrite(request, metadata=sandbox.auth)


@asynccontextmanager
async def serve(
    engine: Engine | None = None, listener: ListenerConfig = UNIX, **options: Any
) -> AsyncIterator[Harness]:
    """A server over an engine, by default in memory; `options` are those of `Application`."""
    engine = engine or GatedEngine()
    app = Application(engine, await engine.start(), **options)
    services = [app.services(listener)]
    async with ChannelFor(services, status_details_codec=StatusDetails()) as channel:
        yield Harness(app, engine, channel)
    await app.close()


@contextmanager
def refused(status: Status, *words: str) -> Iterator[None]:
    """The call inside ends with `status`, and a message that says each of `words`."""
    with pytest.raises(GRPCError) as caught:
        yield
    message = caught.value.message or ""
    assert (caught.value.status, [word for word in words if word not in message]) == (
        status,
        [],
    ), message
