"""Volumes: folders that sandboxes share."""

import io

import modal
import pytest
from grpclib import GRPCError
from modal.exception import NotFoundError


def run(sandbox, *command):
    process = sandbox.exec(*command)
    return process.wait(), process.stdout.read()


@pytest.fixture
def volume(request):
    name = request.node.name
    volume = modal.Volume.from_name(name, create_if_missing=True)
    volume.hydrate()  # else there is none as long as nobody uses it
    yield volume
    modal.Volume.objects.delete(name)


def test_what_one_sandbox_writes_another_reads(create, volume):
    writer = create(volumes={"/data": volume})
    assert run(writer, "sh", "-c", "echo kept > /data/file") == (0, "")
    writer.terminate()

    reader = create(volumes={"/srv/data": volume.read_only()})
    reader.reload_volumes()
    assert run(reader, "cat", "/srv/data/file") == (0, "kept\n")
    assert run(reader, "touch", "/srv/data/new")[0] != 0


def test_a_part_of_a_volume(create, volume):
    volume.hydrate()
    if not hasattr(volume, "with_mount_options"):
        return  # 1.2.3 cannot say it
    sandbox = create(volumes={"/part": volume.with_mount_options(sub_path="/users/me")})
    assert run(sandbox, "sh", "-c", "echo kept > /part/file") == (0, "")
    assert b"".join(volume.read_file("users/me/file")) == b"kept\n"


def test_an_ephemeral_volume(create):
    with modal.Volume.ephemeral() as volume:
        sandbox = create(volumes={"/data": volume})
        assert run(sandbox, "sh", "-c", "echo > /data/file; ls /data") == (0, "file\n")


def test_volumes_are_made_listed_renamed_and_deleted():
    modal.Volume.objects.create("first")
    modal.Volume.rename("first", "second")
    assert "second" in [volume.name for volume in modal.Volume.objects.list()]

    modal.Volume.objects.delete("second")
    with pytest.raises(NotFoundError):
        modal.Volume.from_name("second").hydrate()


def test_commit_and_reload_do_no_harm(volume):
    volume.hydrate()
    volume.commit()
    volume.reload()


def test_a_volume_that_is_not_there(create):
    with pytest.raises(NotFoundError, match="missing"):
        create(volumes={"/data": modal.Volume.from_name("missing")})


@pytest.fixture(params=[1, 2])
def files(request):
    """A volume of each version: clients move files in another way for each."""
    with modal.Volume.ephemeral(version=request.param) as volume:
        yield volume


def test_files_are_uploaded_and_read(files, tmp_path):
    large = bytes(range(256)) * (40 * 1024)  # 10 MiB: not within a message, and two blocks
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "large").write_bytes(large)
    (tmp_path / "program").write_text("#!/bin/sh\n")
    with files.batch_upload() as batch:
        batch.put_directory(tmp_path, "/all")
        batch.put_file(io.BytesIO(b"small"), "/small")
        batch.put_file(io.BytesIO(b""), "/empty")
    assert b"".join(files.read_file("all/below/large")) == large
    assert b"".join(files.read_file("small")) == b"small"
    assert b"".join(files.read_file("empty")) == b""
    copy = io.BytesIO()
    assert files.read_file_into_fileobj("all/below/large", copy) == len(large)
    assert copy.getvalue() == large


def test_files_are_listed_copied_and_removed(files):
    with files.batch_upload() as batch:
        batch.put_file(io.BytesIO(b"one"), "/d/one")
    files.copy_files(["d/one"], "two")
    found = {entry.path: (entry.type.name, entry.size) for entry in files.iterdir("/")}
    assert found.keys() == {"d", "d/one", "two"}
    assert (found["d"][0], found["two"]) == ("DIRECTORY", ("FILE", 3))
    assert [entry.path for entry in files.listdir("/d")] == ["d/one"]
    files.remove_file("/d", recursive=True)
    assert [entry.path for entry in files.listdir("/")] == ["two"]


def test_sandboxes_see_uploaded_files(create, files):
    sandbox = create(volumes={"/data": files})
    with files.batch_upload() as batch:
        batch.put_file(io.BytesIO(b"up\n"), "/file", mode=0o600)
    assert run(sandbox, "cat", "/data/file") == (0, "up\n")
    assert run(sandbox, "sh", "-c", "echo down > /data/down") == (0, "")
    assert b"".join(files.read_file("down")) == b"down\n"


def test_errors_of_files(files):
    with files.batch_upload() as batch:
        batch.put_file(io.BytesIO(b"one"), "/d/one")
    with pytest.raises(FileExistsError), files.batch_upload() as batch:
        batch.put_file(io.BytesIO(b"two"), "/d/one")
    with files.batch_upload(force=True) as batch:
        batch.put_file(io.BytesIO(b"two"), "/d/one")
    assert b"".join(files.read_file("d/one")) == b"two"
    with pytest.raises(FileNotFoundError):
        list(files.read_file("missing"))
    with pytest.raises(FileNotFoundError):
        files.remove_file("missing")
    with pytest.raises((NotFoundError, GRPCError), match="missing"):  # the latter in 1.2.3
        files.listdir("missing")


def test_buckets_and_network_file_systems_are_refused_by_name(create):
    with pytest.raises(Exception, match=r"CloudBucketMount.*mount a Volume"):
        create(volumes={"/b": modal.CloudBucketMount("bucket", read_only=True)})
    with pytest.raises(Exception, match=r"NetworkFileSystem.*use modal.Volume"):
        modal.NetworkFileSystem.from_name("files", create_if_missing=True).listdir("/")
