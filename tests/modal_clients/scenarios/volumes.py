"""Volumes: folders that sandboxes share."""

import modal
import pytest
from modal.exception import NotFoundError


def run(sandbox, *command):
    process = sandbox.exec(*command)
    return process.wait(), process.stdout.read()


@pytest.fixture
def volume(request):
    name = request.node.name
    yield modal.Volume.from_name(name, create_if_missing=True)
    modal.Volume.objects.delete(name)


def test_what_one_sandbox_writes_another_reads(create, volume):
    writer = create(volumes={"/data": volume})
    assert run(writer, "sh", "-c", "echo kept > /data/file") == (0, "")
    writer.terminate()

    reader = create(volumes={"/srv/data": volume.read_only()})
    reader.reload_volumes()
    assert run(reader, "cat", "/srv/data/file") == (0, "kept\n")
    assert run(reader, "touch", "/srv/data/new")[0] != 0


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
