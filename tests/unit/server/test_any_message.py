"""No message that a client can send, however wrong, ends in a status that blames the server.

Clients repeat calls that end with INTERNAL or UNKNOWN. Each RPC gets a request that fits, and then
the same with one field wrong, for each field and each kind of wrong value.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from grpclib import GRPCError, Status
from grpclib.const import Handler
from grpclib.exceptions import StreamTerminatedError

from pytest_sandbox._proto import common_pb2, containers_pb2, router_pb2, volumes_pb2
from pytest_sandbox._proto.control_grpc import ModalClientBase
from pytest_sandbox._proto.extensions_grpc import ExtensionsBase
from pytest_sandbox._proto.inspector_grpc import InspectorBase
from pytest_sandbox._proto.router_grpc import TaskCommandRouterBase
from pytest_sandbox.fakes import settle

from .harness import Created, Harness, serve

if TYPE_CHECKING:
    from google._upb._message import FieldDescriptor as FastFieldDescriptor

#: Protobuf has two implementations, with types of their own.
Field: TypeAlias = "FieldDescriptor | FastFieldDescriptor"

_SERVICES = (ModalClientBase, TaskCommandRouterBase, ExtensionsBase, InspectorBase)
_WRONG_NUMBERS: Mapping[int, tuple[object, ...]] = {
    FieldDescriptor.CPPTYPE_INT32: (0, -1, 2**31 - 1, -(2**31)),
    FieldDescriptor.CPPTYPE_INT64: (0, -1, 2**63 - 1, -(2**63)),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**31, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**63, 2**64 - 1),
    FieldDescriptor.CPPTYPE_DOUBLE: (0.0, 1e-320, -1.0, 1e308, *map(float, ("nan", "inf", "-inf"))),
    FieldDescriptor.CPPTYPE_FLOAT: (0.0, -1.0, 3e38, *map(float, ("nan", "inf", "-inf"))),
    FieldDescriptor.CPPTYPE_BOOL: (False, True),
    FieldDescriptor.CPPTYPE_ENUM: (0, 1, 2, 3, 4, 5, 99, -1, 2**31 - 1, -(2**31)),
}
_WRONG_TEXTS = ("", "/", "/tmp", "..", "\0", "a\0b", "é\ud7ff", "x" * 70_000, "-1", "9" * 30)
_WRONG_BYTES = (b"", b"\0", b"\xff\xfe", b"x" * 70_000)
#: A text that becomes one that is not UTF-8.
_MARK, _NOT_UTF8 = "@@mark@@", b"@\xff\xfe\xc0rk@@"

#: Messages that a request has to have inside.
_NEEDED = frozenset({"definition", "image", "input", "start"})


class Bytes(bytes):
    """A message as bytes, which grpclib sends as they are."""

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's name
        return bytes(self)


@dataclass
class Known:
    """What exists, by the names of the fields that hold it."""

    by_field: dict[str, object]

    def value(self, entry: Field) -> object | None:
        """What fits into a field, if anything has to be in it."""
        value = self.by_field.get(entry.name)
        if entry.type == FieldDescriptor.TYPE_BYTES:
            return value.encode() if isinstance(value, str) else None
        text = entry.type == FieldDescriptor.TYPE_STRING
        return value if isinstance(value, str) == text else None

    @property
    def ids(self) -> list[object]:
        return [value for name, value in self.by_field.items() if name.endswith("id")]


def rpcs() -> Iterator[tuple[str, Handler]]:
    class Names:
        def __getattr__(self, name: str) -> str:
            return name

    for base in _SERVICES:
        yield from cast("Any", base).__mapping__(Names()).items()


RPCS = dict(rpcs())
#: What clients take for a fault of the server.
OURS = (Status.INTERNAL, Status.UNKNOWN)


def fill(message: Message, known: Known, *, everything: bool) -> Message:
    """Give each field a value that fits, or only those that need one."""
    for entry in message.DESCRIPTOR.fields:
        if is_map(entry):
            continue
        if entry.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
            if everything or entry.name in _NEEDED:
                fill(part_of(message, entry), known, everything=everything)
        elif (value := known.value(entry)) is not None:
            put(message, entry, value)
        elif everything:
            put(message, entry, any_value(entry))
    return message


def part_of(message: Message, entry: Field) -> Message:
    """The message in a field, which is set by this."""
    held = getattr(message, entry.name)
    part = cast("Message", held.add() if entry.is_repeated else held)
    part.SetInParent()
    return part


def any_value(entry: Field) -> object:
    if entry.type == FieldDescriptor.TYPE_BYTES:
        return b"x"
    if entry.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return "x"
    return 0 if entry.cpp_type == FieldDescriptor.CPPTYPE_BOOL else 1


def put(message: Message, entry: Field, value: object) -> None:
    if entry.is_repeated:
        held = getattr(message, entry.name)
        del held[:]
        held.append(value)
    else:
        setattr(message, entry.name, value)


def is_map(entry: Field) -> bool:
    kind = entry.message_type
    return kind is not None and kind.GetOptions().map_entry


def wrong(request: Message, message: Message, known: Known) -> Iterator[bytes]:
    """`request`, with each field of `message`, which is it or inside it, wrong in each way."""
    kept = type(message)()
    kept.CopyFrom(message)
    for entry in message.DESCRIPTOR.fields:
        if is_map(entry):
            pass
        elif entry.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
            yield from wrong_parts(request, message, entry, known)
        else:
            for value in wrong_values(entry, known):
                put(message, entry, value)
                data = request.SerializeToString()
                yield data.replace(_MARK.encode(), _NOT_UTF8)
        message.CopyFrom(kept)
        message.ClearField(entry.name)
        yield request.SerializeToString()
        message.CopyFrom(kept)


def wrong_parts(request: Message, message: Message, entry: Field, known: Known) -> Iterator[bytes]:
    """`request`, with each message in a field wrong; with one if there is none."""
    held = getattr(message, entry.name)
    parts = list(held) if entry.is_repeated else [held] if message.HasField(entry.name) else []
    if not parts:
        parts = [fill(part_of(message, entry), known, everything=True)]
    for part in parts:
        yield from wrong(request, part, known)


def wrong_values(entry: Field, known: Known) -> tuple[object, ...]:
    if entry.type == FieldDescriptor.TYPE_BYTES:
        return _WRONG_BYTES
    if entry.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return (*_WRONG_TEXTS, *known.ids, _MARK)
    return _WRONG_NUMBERS[entry.cpp_type]


def requests(request_type: type[Message], known: Known) -> Iterator[bytes]:
    """A request that fits, and the same with a field wrong."""
    request = fill(request_type(), known, everything=False)
    yield request.SerializeToString()
    yield from wrong(request, request, known)


class World:
    """A server with one of everything, made again when a call has ended it."""

    def __init__(self, server: Harness) -> None:
        self._server = server
        self._sandbox: Created | None = None
        self.known = Known({})

    async def prepare(self, path: str) -> None:
        """Have a sandbox that runs, with a command, a file, and a snapshot."""
        sandboxes = self._server.app.state.sandboxes
        if self._sandbox and sandboxes.of_task(self._sandbox.task_id).result is None:
            return
        server = self._server
        server.forget_app()  # which a call may have stopped
        self._sandbox = sandbox = await server.create("hang")
        if "ContainerFile" in path:
            exec_id, descriptor = await self._open(sandbox)
        elif "Container" in path:
            exec_id, descriptor = await self._start(sandbox), ""
        else:
            exec_id, descriptor = await server.exec(sandbox, "cat"), ""
        self.known = Known(
            {
                "sandbox_id": sandbox.id,
                "task_id": sandbox.task_id,
                "app_id": await server.app_id(),
                "image_id": await server.image_id(),
                "exec_id": exec_id,
                **(await self._sidecar(sandbox) if "TaskContainer" in path else {}),
                "volume_id": await self._volume(),
                "snapshot_id": "snapshot",
                "file_descriptor": descriptor or int("Container" in path or "Logs" in path),
                "path": "/tmp/file",
                "workdir": "/tmp",
                "mode": "w",
                "command": "cat",
                "command_args": "cat",
                "dockerfile_commands": "FROM debian:12",
                "app_name": "tests",
                "deployment_name": "any",
                "object_creation_type": common_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING,
                "get_raw_bytes": True,
                "message_index": 1,
                "index": 1,
            }
        )

    async def _open(self, sandbox: Created) -> tuple[str, str]:
        opening = containers_pb2.ContainerFileOpenRequest(path="/tmp/file", mode="w+")
        request = containers_pb2.ContainerFilesystemExecRequest(
            file_open_request=opening, task_id=sandbox.task_id
        )
        response = await self._server.control.ContainerFilesystemExec(request)
        return response.exec_id, response.file_descriptor

    async def _sidecar(self, sandbox: Created) -> dict[str, object]:
        request = router_pb2.TaskContainerCreateRequest(
            task_id=sandbox.task_id,
            container_name="worker",
            image_id=await self._server.image_id(),
            args=["hang"],
        )
        response = await self._server.router.TaskContainerCreate(request, metadata=sandbox.auth)
        return {"container_id": response.container_id, "container_name": "worker"}

    async def _start(self, sandbox: Created) -> str:
        request = containers_pb2.ContainerExecRequest(task_id=sandbox.task_id, command=["cat"])
        return (await self._server.control.ContainerExec(request)).exec_id

    async def _volume(self) -> str:
        request = volumes_pb2.VolumeGetOrCreateRequest(
            deployment_name="any",
            object_creation_type=common_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING,
        )
        return (await self._server.control.VolumeGetOrCreate(request)).volume_id

    async def status(self, path: str, handler: Handler, data: bytes) -> GRPCError | None:
        """How a call ends; `None` if well, or if it waits for something."""
        assert self._sandbox is not None
        call = asyncio.ensure_future(self._call(path, handler, data, self._sandbox.auth))
        for _ in range(20):
            await settle()
            if call.done():
                break
        else:
            call.cancel()
        try:
            await call
        except GRPCError as error:
            return error
        except (asyncio.CancelledError, StreamTerminatedError):
            pass
        return None

    async def _call(
        self, path: str, handler: Handler, data: bytes, auth: Mapping[str, str]
    ) -> None:
        channel = self._server.channel
        async with channel.request(
            path, handler.cardinality, Bytes, handler.reply_type, metadata=auth
        ) as stream:
            await stream.send_message(Bytes(data), end=True)
            while await stream.recv_message() is not None:
                pass


@pytest.mark.asyncio
@pytest.mark.parametrize("path", RPCS)
async def test_a_field_that_is_wrong_is_the_fault_of_the_caller(path: str) -> None:
    handler = RPCS[path]
    failed: dict[str, bytes] = {}
    async with serve() as server:
        world = World(server)
        await world.prepare(path)
        for data in dict.fromkeys(requests(handler.request_type, world.known)):
            await world.prepare(path)
            error = await world.status(path, handler, data)
            if error is not None and error.status in OURS:
                failed.setdefault(f"{error.status.name} {error.message}", data)
    assert failed == {}


@pytest.mark.asyncio
async def test_a_message_is_short_enough_for_a_header() -> None:
    """Else the client would drop its connection, with all other calls."""
    async with serve() as server:
        sandbox = await server.create("hang")
        with pytest.raises(GRPCError) as caught:
            await server.exec(sandbox, "cat", workdir="é\n" * 30_000)

        message = caught.value.message or ""
        assert "workdir must be an absolute path" in message
        assert "bytes left out" in message
        assert len(message.encode()) < 5000
        await server.exec(sandbox, "cat")  # by the same connection
