"""A client that does not read its answers: what they take of memory, and of other calls."""

import asyncio
import gc
import hashlib
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from grpclib import Status
from grpclib.client import Channel
from h2.events import DataReceived

from pytest_sandbox._proto import (
    common_pb2,
    containers_pb2,
    inspector_pb2,
    router_pb2,
    sandboxes_pb2,
    volumes_pb2,
)
from pytest_sandbox._proto.inspector_grpc import InspectorStub
from pytest_sandbox.server.rpc import answers
from pytest_sandbox.server.rpc.answers import PARTS, SMALLEST, AnsweringConnection

from .harness import OUT, STDOUT, Created, Harness
from .raw import Listening, Raw, served

READ = "/modal.task_command_router.TaskCommandRouter/TaskExecStdioRead"
MODAL = "/modal.client.ModalClient/"
DESCRIBE = "/pytest_sandbox.Inspector/Describe"
OUTPUT = 60 * 2**20
#: Calls that one client makes and does not read.
MANY = 1000


class Writer:
    """A command that has written much.

    Args:
        listener: where it is read.
        harness: made it.
        sandbox: its sandbox.
        exec_id: its id.
    """

    def __init__(
        self, listener: Listening, harness: Harness, sandbox: Created, exec_id: str
    ) -> None:
        self.listener = listener
        self.harness = harness
        self.sandbox = sandbox
        self.exec_id = exec_id

    def read(self, raw: Raw) -> int:
        """Begin to read what it wrote."""
        request = router_pb2.TaskExecStdioReadRequest(
            task_id=self.sandbox.task_id, exec_id=self.exec_id, file_descriptor=OUT
        )
        return raw.call(READ, request, self.sandbox.auth)


@asynccontextmanager
async def writing(path: Path, size: int = OUTPUT) -> AsyncIterator[Writer]:
    async with served(path) as listener:
        channel = Channel(path=str(path))
        harness = Harness(listener.app, listener.engine, channel)
        sandbox = await harness.create("sleep", "1000000")
        exec_id = await harness.exec(sandbox, "sleep", "1000000")
        execution = listener.app.state.sandboxes.of_task(sandbox.task_id).commands.get(exec_id)
        for _ in range(size // 2**20):
            await execution.process.stdout.append(bytes(2**20))
        execution.process.stdout.close()
        try:
            yield Writer(listener, harness, sandbox, exec_id)
        finally:
            channel.close()


def connections() -> list[AnsweringConnection]:
    return [each for each in gc.get_objects() if isinstance(each, AnsweringConnection)]


def unsent() -> int:
    """Bytes of answers that wait on the connection that has most of them."""
    return max(each.unsent for each in connections())


def resident() -> int:
    """Bytes of this process, in which the server is."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def reached(size: int) -> None:
    """Wait until as much waits as will, and at least so many bytes."""
    before, there = -1, connections()
    while (now := max(each.unsent for each in there)) < size or now != before:
        before = now
        await asyncio.sleep(0.05)


@pytest.mark.asyncio
async def test_calls_whose_windows_are_closed_hold_one_part(tmp_path: Path) -> None:
    async with writing(tmp_path / "socket") as writer:
        raw = await writer.listener.connect()
        await raw.answered()
        before = resident()
        for _ in range(MANY):
            writer.read(raw)
        await raw.answered()
        began = time.monotonic()
        assert len(await writer.harness.output(writer.sandbox, writer.exec_id)) == OUTPUT
        took = time.monotonic() - began
        await reached(1)

        assert unsent() < 2**20
        assert resident() - before < 400 * 2**20
        assert took < 30


@pytest.mark.asyncio
async def test_parts_get_smaller_the_more_of_them_wait(tmp_path: Path) -> None:
    """All windows are open, and the client does not read its socket."""
    async with writing(tmp_path / "socket") as writer:
        raw = await writer.listener.connect()
        raw.widen()
        await raw.answered()
        before = resident()
        for _ in range(MANY):
            writer.read(raw)
        await reached(PARTS)

        assert unsent() < PARTS + MANY * SMALLEST + 2**20
        assert resident() - before < 400 * 2**20
        other = await writer.listener.connect()
        other.widen()
        call = writer.read(other)
        assert (await asyncio.wait_for(other.status(call), 30))[0] is Status.OK


@pytest.mark.asyncio
async def test_calls_that_end_give_back_what_they_held(tmp_path: Path) -> None:
    async with writing(tmp_path / "socket") as writer:
        raw = await writer.listener.connect()
        raw.widen()
        await raw.answered()
        calls = [writer.read(raw) for _ in range(20)]
        await reached(2**20)
        for call in calls:
            raw.h2.reset_stream(call)
        call = writer.read(raw)
        assert (await asyncio.wait_for(raw.status(call), 30))[0] is Status.OK

        assert unsent() == 0


@pytest.mark.asyncio
async def test_calls_of_one_connection_take_turns(tmp_path: Path) -> None:
    async with writing(tmp_path / "socket", 4 * 2**20) as writer:
        raw = await writer.listener.connect()
        raw.widen()
        calls = [writer.read(raw) for _ in range(10)]
        received = dict.fromkeys(calls, 0)
        async for event in raw.events():
            if isinstance(event, DataReceived):
                received[event.stream_id] += len(event.data)
                if max(received.values()) > 3 * 2**20:
                    break

        assert min(received.values()) > 2**20


@pytest.mark.asyncio
async def test_large_answers_that_nobody_reads_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "LARGEST_ANSWERS", 300 * 1024)
    async with writing(tmp_path / "socket", 2**20) as writer:
        raw = await writer.listener.connect()
        request = inspector_pb2.InspectorDescribeRequest(
            sandbox_id=writer.sandbox.id, tail_bytes=64 * 1024
        )
        # The first fills the window; four wait, and a small answer always has its place.
        calls = [raw.call(DESCRIBE, request) for _ in range(10)]
        status, message = await raw.status(calls[-1])

        assert status is Status.RESOURCE_EXHAUSTED
        assert str(answers.LARGEST_ANSWERS) in message
        assert 200 * 1024 < unsent() <= answers.LARGEST_ANSWERS
        engine = await InspectorStub(writer.harness.channel).Engine(
            inspector_pb2.InspectorEngineRequest()
        )
        assert engine.live_sandboxes == 1


@pytest.mark.asyncio
async def test_a_client_that_reads_no_answer_to_its_pings_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "MOST_UNREAD", 128 * 1024)
    async with served(tmp_path / "socket") as listener:
        raw = await listener.connect()
        raw.reader._transport.pause_reading()  # type: ignore[attr-defined]

        async def ping() -> None:
            for _ in range(2 * 2**20 // len(pings)):
                raw.writer.write(pings)
                await raw.writer.drain()

        pings = b"\0\0\x08\x06\0\0\0\0\0abcdefgh" * 1000
        with pytest.raises(ConnectionError):
            await ping()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "rpc", ["SandboxGetLogs", "ContainerExecGetOutput", "files", "names", "VolumeListFiles"]
)
async def test_every_stream_of_data_waits_for_its_window(rpc: str, tmp_path: Path) -> None:
    async with writing(tmp_path / "socket") as writer:
        harness, sandbox, raw = writer.harness, writer.sandbox, await writer.listener.connect()
        request: (
            volumes_pb2.VolumeListFilesRequest
            | sandboxes_pb2.SandboxGetLogsRequest
            | containers_pb2.ContainerExecGetOutputRequest
            | containers_pb2.ContainerFilesystemExecGetOutputRequest
        )
        if rpc == "SandboxGetLogs":
            main = harness.app.state.sandboxes.get(sandbox.id).commands.main
            assert main is not None
            await main.process.stdout.append(bytes(OUTPUT))
            request = sandboxes_pb2.SandboxGetLogsRequest(
                sandbox_id=sandbox.id, file_descriptor=STDOUT, timeout=55
            )
        elif rpc == "ContainerExecGetOutput":
            started = await harness.control.ContainerExec(
                containers_pb2.ContainerExecRequest(task_id=sandbox.task_id, command=["sleep", "9"])
            )
            commands = harness.app.state.sandboxes.of_task(sandbox.task_id).commands
            await commands.get(started.exec_id).process.stdout.append(bytes(OUTPUT))
            request = containers_pb2.ContainerExecGetOutputRequest(
                exec_id=started.exec_id, file_descriptor=STDOUT, timeout=55, get_raw_bytes=True
            )
        elif rpc == "VolumeListFiles":
            request = volumes_pb2.VolumeListFilesRequest(volume_id=await full_volume(harness))
        else:
            rpc, exec_id = "ContainerFilesystemExecGetOutput", await outcome(harness, sandbox, rpc)
            request = containers_pb2.ContainerFilesystemExecGetOutputRequest(
                exec_id=exec_id, timeout=55
            )
        for _ in range(50):
            raw.call(MODAL + rpc, request)
        await raw.answered()
        await reached(1)

        assert unsent() < 3 * 2**20


async def full_volume(harness: Harness) -> str:
    """The id of a volume with many files."""
    created = await harness.control.VolumeGetOrCreate(
        volumes_pb2.VolumeGetOrCreateRequest(
            deployment_name="full",
            object_creation_type=common_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING,
        )
    )
    digest = hashlib.sha256(b"x").hexdigest()
    await harness.control.MountPutFile(
        volumes_pb2.MountPutFileRequest(sha256_hex=digest, data=b"x")
    )
    files = [
        volumes_pb2.MountFile(filename=f"/{number:0200}", sha256_hex=digest)
        for number in range(3000)
    ]
    await harness.control.VolumePutFiles(
        volumes_pb2.VolumePutFilesRequest(volume_id=created.volume_id, files=files)
    )
    return created.volume_id


async def outcome(harness: Harness, sandbox: Created, kind: str) -> str:
    """The id of a file operation with much to tell."""
    files = sandbox.task.files
    if kind == "names":
        for number in range(20_000):
            await files.mkdir(f"/many/{number:0200}", parents=True)
        request = containers_pb2.ContainerFilesystemExecRequest(
            task_id=sandbox.task_id,
            file_ls_request=containers_pb2.ContainerFileLsRequest(path="/many"),
        )
        return (await harness.control.ContainerFilesystemExec(request)).exec_id
    file = await files.open("/big", os.O_RDWR | os.O_CREAT)
    await file.pwrite(0, bytes(OUTPUT))
    opened = await harness.control.ContainerFilesystemExec(
        containers_pb2.ContainerFilesystemExecRequest(
            task_id=sandbox.task_id,
            file_open_request=containers_pb2.ContainerFileOpenRequest(path="/big", mode="r"),
        )
    )
    request = containers_pb2.ContainerFilesystemExecRequest(
        task_id=sandbox.task_id,
        file_read_request=containers_pb2.ContainerFileReadRequest(
            file_descriptor=opened.file_descriptor
        ),
    )
    return (await harness.control.ContainerFilesystemExec(request)).exec_id
