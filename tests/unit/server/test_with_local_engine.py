"""The same server over the Linux engine: what only real processes and files can show."""

import asyncio
import hashlib
import io
import json
import tarfile
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from grpclib import Status

from pytest_sandbox._proto import (
    common_pb2,
    router_pb2,
    sandboxes_pb2,
    sandboxes_v2_pb2,
    snapshots_pb2,
)
from pytest_sandbox._shared.filesystem_tool import TOOL
from pytest_sandbox.engine import EngineUnavailable
from pytest_sandbox.engines import load_engine

from .harness import UNIX, Created, Harness, refused, serve

Result = common_pb2.GenericResult
MIB = 1024 * 1024


@pytest_asyncio.fixture
async def local() -> AsyncIterator[Harness]:
    try:
        async with serve(load_engine("local"), UNIX) as harness:
            yield harness
    except EngineUnavailable as error:
        pytest.skip(f"no local engine here: {error.reason}")


async def tool(
    server: Harness, sandbox: Created, operation: str, data: bytes | None = None, **fields: object
) -> bytes:
    """What the filesystem tool prints."""
    exec_id = await server.exec(sandbox, TOOL, json.dumps({operation: fields}))
    if data is not None:
        await write_all(server, sandbox, exec_id, data)
    printed = await server.output(sandbox, exec_id)
    assert (await server.code(sandbox, exec_id)).code == 0
    return printed


async def write_all(server: Harness, sandbox: Created, exec_id: str, data: bytes) -> None:
    request = router_pb2.TaskExecStdinWriteStreamRequest
    start = router_pb2.TaskExecStdinWriteStreamStart(task_id=sandbox.task_id, exec_id=exec_id)
    chunks = [data[low : low + 256 * 1024] for low in range(0, len(data), 256 * 1024)]
    await server.router.TaskExecStdinWriteStream(
        [
            request(start=start),
            *(request(data=chunk) for chunk in chunks),
            request(end=router_pb2.TaskExecStdinWriteStreamEnd()),
        ],
        metadata=sandbox.auth,
    )


@pytest.mark.asyncio
async def test_a_sandbox_lives_and_ends(local: Harness) -> None:
    sandbox = await local.create("sh", "-c", "read line; echo got $line; exit 3")
    write = sandboxes_pb2.SandboxStdinWriteRequest(sandbox_id=sandbox.id, index=1, input=b"it\n")
    await local.control.SandboxStdinWrite(write)
    assert await local.logs(sandbox) == "got it\n"
    result = await local.wait(sandbox, 10)
    assert (result.status, result.exitcode) == (Result.GENERIC_STATUS_FAILURE, 3)


@pytest.mark.asyncio
async def test_much_output_arrives_whole(local: Harness) -> None:
    sandbox = await local.create()
    script = "import sys\nfor n in range(40): sys.stdout.buffer.write(bytes([n]) * 2**20)"
    exec_id = await local.exec(sandbox, "python3", "-c", script)
    expected = b"".join(bytes([number]) * MIB for number in range(40))
    output = await local.output(sandbox, exec_id)
    assert hashlib.sha256(output).digest() == hashlib.sha256(expected).digest()


@pytest.mark.asyncio
async def test_a_large_file_goes_in_and_out(local: Harness) -> None:
    sandbox = await local.create()
    data = bytes(range(256)) * 4096 * 20
    await tool(local, sandbox, "WriteFile", data, path="/srv/a/b")
    assert await tool(local, sandbox, "ReadFile", path="/srv/a/b") == data
    (entry,) = json.loads(await tool(local, sandbox, "ListFiles", path="/srv/a"))
    assert (entry["name"], entry["size"], entry["permissions"]) == ("b", len(data), "0644")


@pytest.mark.asyncio
async def test_a_directory_goes_out_of_one_sandbox_and_into_another(local: Harness) -> None:
    one, other = await local.create(), await local.create()
    await tool(local, one, "WriteFile", b"data", path="/srv/d/f")
    packed = await tool(local, one, "Pack", path="/srv/d")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        assert [name.removeprefix("./") for name in archive.getnames() if name != "."] == ["f"]
    await tool(local, other, "Unpack", packed, path="/srv/e")
    assert await tool(local, other, "ReadFile", path="/srv/e/f") == b"data"


@pytest.mark.asyncio
async def test_a_change_is_seen_and_an_end_of_input_ends_the_watch(local: Harness) -> None:
    sandbox = await local.create()
    operation = {"Watch": {"path": "/tmp", "recursive": False, "filter": ["Create"]}}
    watch = await local.exec(sandbox, TOOL, json.dumps(operation))
    reading = asyncio.ensure_future(local.output(sandbox, watch))
    box = local.app.state.sandboxes.get(sandbox.id)
    number = 0
    while not box.commands.get(watch).process.stdout.end:
        number += 1  # until the watch is there
        await local.code(sandbox, await local.exec(sandbox, "touch", f"/tmp/{number}"))
    await local.write(sandbox, watch, b"", eof=True)
    first = json.loads((await reading).splitlines()[0])
    assert first["event_type"] == "Create"
    assert first["paths"][0].startswith("/tmp/")


@pytest.mark.asyncio
async def test_a_timeout_kills_what_ignores_every_other_signal(local: Harness) -> None:
    sandbox = await local.create()
    exec_id = await local.exec(
        sandbox, "sh", "-c", "trap '' TERM INT HUP; while :; do sleep 1; done", timeout_secs=1
    )
    assert (await local.code(sandbox, exec_id)).code == -1


@pytest.mark.asyncio
async def test_a_sandbox_whose_time_is_up_ends(local: Harness) -> None:
    sandbox = await local.create("sleep", "60", timeout_secs=1)
    result = await local.wait(sandbox, 30)
    assert result.status == Result.GENERIC_STATUS_TIMEOUT


@pytest.mark.asyncio
async def test_a_full_store_lets_go_of_what_frees_room_and_of_nothing_else() -> None:
    try:
        engine = load_engine("local", {"store": str(10 * MIB)})
        async with serve(engine, UNIX) as local:
            await fill_store(local)
    except EngineUnavailable as error:
        pytest.skip(f"no local engine here: {error.reason}")


async def fill_store(local: Harness) -> None:
    unused = []
    for _ in range(2):
        sandbox = await local.create()
        unused.append(await filled(local, sandbox))
        await local.terminate(sandbox)
    sandbox = await local.create()
    own = [await filled(local, sandbox), await filled(local, sandbox)]
    with refused(Status.RESOURCE_EXHAUSTED, "2 snapshots", "in use"):
        await filled(local, sandbox)
    for image_id in own:
        await local.terminate(await local.create(image_id=image_id))
    for image_id in unused:
        with refused(Status.NOT_FOUND, image_id, "room"):
            await local.create(image_id=image_id)


async def filled(local: Harness, sandbox: Created) -> str:
    """A snapshot with 4 MiB more than the one before."""
    script = "head -c 4M /dev/urandom > /srv/a"
    await local.code(sandbox, await local.exec(sandbox, "sh", "-c", script))
    request = snapshots_pb2.SandboxSnapshotFsRequest(sandbox_id=sandbox.id, timeout=55)
    return (await local.control.SandboxSnapshotFs(request)).image_id


#: Prints what a server of a container says once there is one.
ASK = """
import socket, sys, time
while True:
    try:
        with socket.create_connection((sys.argv[1], 8000), 10) as sock:
            if said := sock.recv(100):
                sys.exit(print(said.decode()))
    except OSError:
        pass
    time.sleep(0.005)
"""
SAY = """
import socket, sys
with socket.create_server(("127.0.0.1", 8000)) as server:
    while True:
        with server.accept()[0] as peer:
            peer.sendall(sys.argv[1].encode())
"""


@pytest.mark.asyncio
async def test_sidecars_and_their_sandbox_reach_each_other_by_name(local: Harness) -> None:
    sandbox = await local.create("python3", "-c", SAY, "I am main")
    request = sandboxes_v2_pb2.SandboxContainerCreateV2Request(
        sandbox_id=sandbox.id,
        container_name="Web",
        definition=await local.definition("python3", "-c", SAY, "I am web"),
    )
    container = (await local.control.SandboxContainerCreateV2(request)).container_id
    for name, inside in (("web", ""), ("main", container)):
        asked = await local.exec(sandbox, "python3", "-c", ASK, name, container_id=inside)
        assert await local.output(sandbox, asked) == f"I am {name}\n".encode()
    listing = await local.exec(sandbox, "sh", "-c", "ls /proc | grep -c [0-9]")
    assert int(await local.output(sandbox, listing)) < 6  # those of the sidecar do not show
