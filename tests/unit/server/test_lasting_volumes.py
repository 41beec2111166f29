"""Named volumes that outlive the run, in a folder."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from grpclib import Status
from grpclib.testing import ChannelFor

from pytest_sandbox._proto import common_pb2
from pytest_sandbox._proto import volumes_pb2 as pb
from pytest_sandbox._shared.on_disk.volume_folder import VolumeFolder
from pytest_sandbox.cli import main
from pytest_sandbox.rpcs import StatusDetails
from pytest_sandbox.server.application import Application

from .engines import GatedEngine
from .harness import UNIX, Harness, refused

CREATE = common_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING
LOOKUP = common_pb2.OBJECT_CREATION_TYPE_UNSPECIFIED


class Run(Harness):
    """A run whose volumes are in a folder."""

    async def volume(
        self, name: str = "data", creation: common_pb2.ObjectCreationType = CREATE
    ) -> str:
        request = pb.VolumeGetOrCreateRequest(
            deployment_name=name, object_creation_type=creation, version=pb.VOLUME_FS_VERSION_V2
        )
        return (await self.control.VolumeGetOrCreate(request)).volume_id

    async def put(self, volume_id: str, path: str, content: bytes) -> None:
        files = self.app.state.volume_files
        async with files._files(volume_id) as inside:
            file = await inside.open(f"/volume/{path}", 0o101)
            await file.pwrite(0, content)
            await file.close()

    async def read(self, volume_id: str, path: str) -> bytes:
        request = pb.VolumeGetFileRequest(volume_id=volume_id, path=path)
        return (await self.control.VolumeGetFile(request)).data

    async def names(self) -> list[str]:
        items = (await self.control.VolumeList(pb.VolumeListRequest())).items
        return [item.label for item in items]


async def saved(path: Path) -> None:
    while not os.path.exists(path):  # noqa: ASYNC110, ASYNC240
        await asyncio.sleep(0.01)


@asynccontextmanager
async def a_run(folder: Path, *, private: bool = False) -> AsyncIterator[Run]:
    engine = GatedEngine()
    app = Application(engine, await engine.start(), volumes=folder, private_volumes=private)
    async with ChannelFor([app.services(UNIX)], status_details_codec=StatusDetails()) as channel:
        yield Run(app, engine, channel)
        await app.close()


@pytest.mark.asyncio
async def test_what_is_committed_is_there_in_the_next_run(tmp_path: Path) -> None:
    folder = tmp_path / "volumes"
    async with a_run(folder) as run:
        volume = await run.volume()
        await run.put(volume, "f", b"one")
        await run.control.VolumeCommit(pb.VolumeCommitRequest(volume_id=volume))
    assert folder.stat().st_mode & 0o777 == 0o700
    async with a_run(folder) as run:
        volume = await run.volume(creation=LOOKUP)
        assert await run.read(volume, "f") == b"one"
        request = pb.VolumeGetByIdRequest(volume_id=volume)
        assert (await run.control.VolumeGetById(request)).metadata.version == 2


@pytest.mark.asyncio
async def test_what_a_sandbox_wrote_is_saved_when_it_ends(tmp_path: Path) -> None:
    async with a_run(tmp_path) as run:
        volume = await run.volume()
        mount = common_pb2.VolumeMount(volume_id=volume, mount_path="/data")
        sandbox = await run.create(volume_mounts=[mount])
        await run.put(volume, "f", b"one")
        await sandbox.task.kill()
        await run.wait(sandbox, 1)
        await saved(tmp_path / "main" / "data" / "files.tar")
        await run.put(volume, "f", b"not saved")
        run.app.state.lasting_volumes = None  # as if the process were killed
    (tmp_path / "main" / "data" / "lock").unlink()
    async with a_run(tmp_path) as run:
        assert await run.read(await run.volume(), "f") == b"one"


@pytest.mark.asyncio
async def test_all_is_saved_when_the_run_ends(tmp_path: Path) -> None:
    async with a_run(tmp_path) as run:
        running, uploaded = await run.volume("running"), await run.volume("uploaded")
        mount = common_pb2.VolumeMount(volume_id=running, mount_path="/data")
        await run.create(volume_mounts=[mount])
        await run.put(running, "f", b"one")
        await run.control.VolumePutFiles2(
            pb.VolumePutFiles2Request(
                volume_id=uploaded, files=[pb.VolumePutFiles2Request.File(path="empty")]
            )
        )
    async with a_run(tmp_path) as run:
        assert await run.read(await run.volume("running"), "f") == b"one"
        assert await run.read(await run.volume("uploaded"), "empty") == b""


@pytest.mark.asyncio
async def test_copies_of_sandboxes_are_saved(tmp_path: Path) -> None:
    async with a_run(tmp_path, private=True) as run:
        volume = await run.volume()
        mount = common_pb2.VolumeMount(volume_id=volume, mount_path="/data")
        ended = await run.create(volume_mounts=[mount])
        (copy,) = ended.task.spec.volumes
        await run.put(copy.volume, "ended", b"one")
        await ended.task.kill()
        await run.create(volume_mounts=[mount])
        await run.put(run.engine.tasks[-1].spec.volumes[0].volume, "running", b"two")
    async with a_run(tmp_path, private=True) as run:
        volume = await run.volume()
        assert await run.read(volume, "ended") == b"one"
        assert await run.read(volume, "running") == b"two"


@pytest.mark.asyncio
async def test_a_volume_is_used_by_one_run_at_a_time(tmp_path: Path) -> None:
    async with a_run(tmp_path) as run:
        volume = await run.volume()
        async with a_run(tmp_path) as other:
            with refused(Status.FAILED_PRECONDITION, "'data' is in use by another run"):
                await other.volume()
            (item,) = (await other.control.VolumeList(pb.VolumeListRequest())).items
            mount = common_pb2.VolumeMount(volume_id=item.volume_id, mount_path="/data")
            for call in (
                other.create(volume_mounts=[mount]),
                other.read(item.volume_id, "f"),
                other.control.VolumeDelete(pb.VolumeDeleteRequest(volume_id=item.volume_id)),
            ):
                with refused(Status.FAILED_PRECONDITION, "'data' is in use by another run"):
                    await call
        await run.put(volume, "f", b"one")
    async with a_run(tmp_path) as later:
        assert await later.volume()


@pytest.mark.asyncio
async def test_stored_volumes_are_listed_renamed_and_deleted(tmp_path: Path) -> None:
    async with a_run(tmp_path) as run:
        for name in ("a", "b"):
            await run.put(await run.volume(name), "f", name.encode())
            await run.control.VolumeCommit(pb.VolumeCommitRequest(volume_id=await run.volume(name)))
    async with a_run(tmp_path) as run:
        assert sorted(await run.names()) == ["a", "b"]
        a, b = await run.volume("a"), await run.volume("b")
        with refused(Status.ALREADY_EXISTS, "'b' already exists"):
            await run.control.VolumeRename(pb.VolumeRenameRequest(volume_id=a, name="b"))
        await run.control.VolumeRename(pb.VolumeRenameRequest(volume_id=a, name="c"))
        await run.control.VolumeDelete(pb.VolumeDeleteRequest(volume_id=b))
        assert await run.names() == ["c"]
    assert [name for _, name, _ in VolumeFolder(tmp_path).known()] == ["c"]
    assert [path.name for path in (tmp_path / "main").iterdir()] == ["c"]
    async with a_run(tmp_path) as run:
        with refused(Status.NOT_FOUND, "'a' not found"):
            await run.volume("a", LOOKUP)
        assert await run.read(await run.volume("c", LOOKUP), "f") == b"a"


@pytest.mark.asyncio
async def test_an_ephemeral_volume_is_not_stored(tmp_path: Path) -> None:
    async with a_run(tmp_path) as run:
        request = pb.VolumeGetOrCreateRequest(
            object_creation_type=common_pb2.OBJECT_CREATION_TYPE_EPHEMERAL
        )
        await run.control.VolumeGetOrCreate(request)
    assert os.listdir(tmp_path) == []


@pytest.mark.asyncio
async def test_stored_files_that_are_damaged(tmp_path: Path) -> None:
    async with a_run(tmp_path) as run:
        await run.volume()
    (tmp_path / "main" / "data" / "files.tar").write_bytes(b"no tar")
    async with a_run(tmp_path) as run:
        for _ in range(2):
            with refused(Status.FAILED_PRECONDITION, "cannot be loaded"):
                await run.volume()


@pytest.mark.asyncio
async def test_too_much_for_the_disk(tmp_path: Path) -> None:
    async with a_run(tmp_path) as run:
        volume = await run.volume()
        await run.put(volume, "f", b"one")
        await run.control.VolumeCommit(pb.VolumeCommitRequest(volume_id=volume))
        assert run.app.state.lasting_volumes is not None
        run.app.state.lasting_volumes._most = 1000
        await run.put(volume, "f", b"two")
        with refused(Status.RESOURCE_EXHAUSTED, "a volume may take 1000 bytes"):
            await run.control.VolumeCommit(pb.VolumeCommitRequest(volume_id=volume))
    async with a_run(tmp_path) as run:
        assert await run.read(await run.volume(), "f") == b"one"


@pytest.mark.asyncio
async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with a_run(tmp_path / "file" / "volumes") as run:
        with refused(Status.FAILED_PRECONDITION, "'data' cannot be stored"):
            await run.volume()


def test_prune_lists_and_removes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = VolumeFolder(tmp_path)
    for name in ("a", "b", "used"):
        (tmp_path / "main" / name).mkdir(parents=True)
        about = json.dumps({"created_at": 1e9, "version": 1})
        (tmp_path / "main" / name / "about.json").write_text(about)
    used = folder.open("main", "used")
    assert main(["prune", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" ")[0] for line in lines] == ["a", "b", "used"]
    assert lines[0].endswith("0 bytes")
    assert lines[2].endswith("in use by a run")

    assert main(["prune", str(tmp_path), "a", "--remove"]) == 0
    assert main(["prune", str(tmp_path), "a", "--remove"]) == 1
    assert "there is no volume 'a'" in capsys.readouterr().err
    assert main(["prune", str(tmp_path), "--remove"]) == 1
    assert [name for _, name, _ in folder.known()] == ["used"]
    used.close()
    assert main(["prune", str(tmp_path), "--remove"]) == 0
    assert list((tmp_path / "main").iterdir()) == []
