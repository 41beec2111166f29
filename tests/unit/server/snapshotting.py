"""What tests of snapshots share: the calls that take, forget and mount them."""

from typing import Any

from pytest_sandbox._proto import extensions_pb2, router_pb2
from pytest_sandbox._proto.extensions_grpc import ExtensionsStub

from .harness import Created, Harness


def write(sandbox: Created, path: str, text: str) -> None:
    sandbox.task.view.write(path, text)


def content(sandbox: Created, path: str) -> str | None:
    view = sandbox.task.view
    return view.read_text(path) if view.exists(path) else None


async def files_image(
    server: Harness, sandbox: Created, snapshot_id: str = "s", **fields: Any
) -> str:
    request = router_pb2.TaskSnapshotFilesystemRequest(
        task_id=sandbox.task_id, snapshot_id=snapshot_id, **fields
    )
    response = await server.router.TaskSnapshotFilesystem(request, metadata=sandbox.auth)
    return response.image_id


async def forget(server: Harness, image_id: str) -> None:
    request = extensions_pb2.ImageForgetRequest(image_id=image_id)
    await ExtensionsStub(server.channel).ImageForget(request)


async def snapshot_and_end(server: Harness, sandbox: Created) -> str:
    request = extensions_pb2.SandboxSnapshotEndRequest(sandbox_id=sandbox.id)
    return (await ExtensionsStub(server.channel).SandboxSnapshotEnd(request)).image_id


async def mount(server: Harness, sandbox: Created, path: bytes, image_id: str = "") -> None:
    request = router_pb2.TaskMountDirectoryRequest(
        task_id=sandbox.task_id, path=path, image_id=image_id
    )
    await server.router.TaskMountDirectory(request, metadata=sandbox.auth)


async def directory(server: Harness, sandbox: Created, path: bytes, **fields: Any) -> str:
    request = router_pb2.TaskSnapshotDirectoryRequest(
        task_id=sandbox.task_id, path=path, **{"snapshot_id": "d", **fields}
    )
    response = await server.router.TaskSnapshotDirectory(request, metadata=sandbox.auth)
    return response.image_id
