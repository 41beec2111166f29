"""Snapshots of directories, which are mounted in other sandboxes."""

import pytest
from grpclib import Status
from grpclib.exceptions import StreamTerminatedError

from pytest_sandbox import Faults
from pytest_sandbox._proto import router_pb2

from .harness import Created, Harness, refused
from .snapshotting import content, directory, files_image, mount, write


async def unmount(server: Harness, sandbox: Created, path: bytes) -> None:
    request = router_pb2.TaskUnmountDirectoryRequest(task_id=sandbox.task_id, path=path)
    await server.router.TaskUnmountDirectory(request, metadata=sandbox.auth)


# Directories


@pytest.mark.asyncio
async def test_a_directory_is_kept_and_mounted_elsewhere(server: Harness) -> None:
    sandbox = await server.create()
    write(sandbox, "/tmp/a", "kept")
    image_id = await directory(server, sandbox, b"/tmp")
    other = await server.create()
    await mount(server, other, b"/srv/deep//there/", image_id)
    await mount(server, other, b"/tmp")

    assert content(other, "/srv/deep/there/a") == "kept"
    write(other, "/tmp/b", "on what is mounted")
    await unmount(server, other, b"/tmp")
    assert content(other, "/tmp/b") is None
    with refused(Status.INVALID_ARGUMENT, "/tmp"):
        await unmount(server, other, b"/tmp")


@pytest.mark.asyncio
async def test_every_image_is_mounted_and_no_directory_makes_a_sandbox(server: Harness) -> None:
    sandbox = await server.create()
    for image_id in (await files_image(server, sandbox), await server.image_id()):
        await mount(server, sandbox, b"/mnt", image_id)
        exec_id = await server.exec(sandbox, "ls", "-d", "/mnt/bin")
        assert await server.output(sandbox, exec_id) == b"/mnt/bin\n"
    with refused(Status.INVALID_ARGUMENT, "can only be mounted"):
        await server.create(image_id=await directory(server, sandbox, b"/tmp"))


@pytest.mark.asyncio
@pytest.mark.parametrize("path", [b"", b"tmp", b"/a\0b"])
async def test_paths_are_absolute(server: Harness, path: bytes) -> None:
    sandbox = await server.create()
    for call in (directory, mount, unmount):
        with refused(Status.INVALID_ARGUMENT, "absolute"):
            await call(server, sandbox, path)


@pytest.mark.asyncio
async def test_paths_that_are_there_or_not_are_told_apart(server: Harness) -> None:
    sandbox = await server.create()
    write(sandbox, "/tmp/file", "x")
    with refused(Status.NOT_FOUND, "/nowhere"):
        await directory(server, sandbox, b"/nowhere")
    with refused(Status.INVALID_ARGUMENT, "/tmp/file"):
        await directory(server, sandbox, b"/tmp/file", snapshot_id="2")
    with refused(Status.INVALID_ARGUMENT, "'/'"):
        await mount(server, sandbox, b"/")
    with refused(Status.NOT_FOUND, "im-nope"):
        await mount(server, sandbox, b"/tmp", "im-nope")


@pytest.mark.asyncio
async def test_a_mount_is_done_once_if_its_answer_was_lost(server: Harness) -> None:
    sandbox = await server.create()
    image_id = await directory(server, sandbox, b"/tmp")
    faults = Faults(server.app.faults)
    faults.on("TaskMountDirectory", nth=1).drop_response()
    faults.on("TaskUnmountDirectory", nth=3).drop_response()

    with pytest.raises(StreamTerminatedError):
        await mount(server, sandbox, b"/mnt", image_id)
    await mount(server, sandbox, b"/mnt", image_id)
    await unmount(server, sandbox, b"/mnt")
    with refused(Status.INVALID_ARGUMENT, "/mnt"):  # nothing is left there
        await unmount(server, sandbox, b"/mnt")

    await mount(server, sandbox, b"/mnt", image_id)
    with pytest.raises(StreamTerminatedError):
        await unmount(server, sandbox, b"/mnt")
    await unmount(server, sandbox, b"/mnt")
    with refused(Status.INVALID_ARGUMENT, "/mnt"):
        await unmount(server, sandbox, b"/mnt")

    for _ in range(2):  # these are two
        await mount(server, sandbox, b"/mnt", image_id)
    for _ in range(2):
        await unmount(server, sandbox, b"/mnt")
