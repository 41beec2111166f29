"""Sidecars: containers beside that of a sandbox, with files, commands and an end of their own."""

import modal
import pytest
from modal.exception import AlreadyExistsError, InvalidError, NotFoundError


@pytest.fixture(scope="module")
def image(app):
    return modal.Image.debian_slim(python_version="3.11").build(app)


def test_a_sidecar_has_files_and_commands_of_its_own(sandbox, image):
    sidecar = sandbox._experimental_sidecars.create(
        name="worker", image=image, env={"GREETING": "hello"}, workdir="/srv"
    )
    assert sidecar.object_id.startswith("ctr-")
    said = sidecar.exec("sh", "-c", "echo $GREETING $0 $PWD", "from", env={"A": "b"})
    assert said.stdout.read() == "hello from /srv\n"
    assert said.wait() == 0
    sidecar.filesystem.write_text("mine", "/srv/note")
    assert sidecar.filesystem.read_text("/srv/note") == "mine"
    assert sandbox.exec("cat", "/srv/note").wait() != 0
    assert sidecar.exec("sh", "-c", "exit 3").wait() == 3


def test_sidecars_are_listed_and_end(sandbox, image):
    sidecars = sandbox._experimental_sidecars
    assert sidecars.list() == []
    first = sidecars.create("sh", "-c", "exit 7", name="job", image=image)
    first.wait()
    assert first.poll() == 7
    with pytest.raises(NotFoundError, match="job"):
        sidecars.get(name="job")
    second = sidecars.create(name="job", image=image)
    assert second.poll() is None
    with pytest.raises(AlreadyExistsError, match="job"):
        sidecars.create(name="job", image=image)
    with pytest.raises(InvalidError, match="no name"):
        sidecars.create(name="no name", image=image)
    assert [each.object_id for each in sidecars.list()] == [second.object_id]
    assert second.terminate(wait=True) == 137
    both = sidecars.list(include_terminated=True)
    assert [each.object_id for each in both] == [first.object_id, second.object_id]
    assert sidecars.get(name="job", include_terminated=True).object_id == second.object_id


def test_a_snapshot_of_a_sidecar_is_an_image(sandbox, image):
    sidecars = sandbox._experimental_sidecars
    sidecar = sidecars.create(name="one", image=image)
    sidecar.mount_image("/work", modal.Image.from_scratch())
    sidecar.filesystem.write_text("ready", "/work/state")
    folder = sidecar.snapshot_directory("/work")
    sidecar.filesystem.write_text("ready", "/root/state")

    copy = sidecars.create(name="two", image=sidecar.snapshot_filesystem())
    copy.mount_image("/work", folder)

    assert copy.filesystem.read_text("/root/state") == "ready"
    assert copy.filesystem.read_text("/work/state") == "ready"
    copy.unmount_image("/work")


def test_sidecars_end_with_their_sandbox(create, image):
    sandbox = create()
    sidecar = sandbox._experimental_sidecars.create(name="worker", image=image)
    process = sidecar.exec("sleep", "1000")
    sandbox.terminate()
    assert process.wait() == 137
    with pytest.raises(NotFoundError):
        sidecar.exec("true")
