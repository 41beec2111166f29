"""Snapshots of directories, which other sandboxes mount; newer clients only."""

import modal
import pytest
from modal.exception import InvalidError, NotFoundError, PermissionDeniedError


def run(sandbox, script):
    process = sandbox.exec("sh", "-c", script)
    output = process.stdout.read()
    assert process.wait() == 0, process.stderr.read()
    return output


def test_a_directory_of_one_sandbox_is_mounted_in_another(create):
    one, other = create(), create()
    run(one, "mkdir -p /work/deep; echo kept > /work/deep/a")
    image = one.snapshot_directory("/work")

    other.mount_image("/mnt/project", image)

    assert run(other, "cat /mnt/project/deep/a") == "kept\n"


def test_what_is_written_to_a_mount_stays_in_its_sandbox(create):
    one, other = create(), create()
    run(one, "mkdir /work; echo kept > /work/a")
    image = one.snapshot_directory("/work", timeout=30, ttl=None)
    one.mount_image("/mnt/m", image)
    other.mount_image("/mnt/m", image)

    run(one, "echo changed > /mnt/m/a")

    assert run(one, "cat /mnt/m/a /work/a") == "changed\nkept\n"
    assert run(other, "cat /mnt/m/a") == "kept\n"


def test_unmounting_shows_what_was_there(create):
    sandbox = create()
    run(sandbox, "mkdir /work; echo below > /work/a; mkdir /other; echo above > /other/a")
    sandbox.mount_image("/work", sandbox.snapshot_directory("/other"))
    assert run(sandbox, "cat /work/a") == "above\n"

    sandbox.unmount_image("/work")

    assert run(sandbox, "cat /work/a") == "below\n"


def test_a_snapshot_of_all_files_is_mounted(create):
    one, other = create(), create()
    run(one, "echo kept > /srv/a")
    other.mount_image("/mnt/whole", one.snapshot_filesystem())
    assert run(other, "cat /mnt/whole/srv/a; ls -d /mnt/whole/usr") == "kept\n/mnt/whole/usr\n"
    other.unmount_image("/mnt/whole")


def test_an_encrypted_directory_needs_its_key(create):
    one, other = create(), create()
    run(one, "mkdir /work; echo secret > /work/a")
    image = one.snapshot_directory("/work", _experimental_encryption_key=b"k" * 32)
    with pytest.raises(PermissionDeniedError, match="its key"):
        other.mount_image("/mnt/m", image, _experimental_encryption_key=b"x" * 32)
    found = modal.Image.from_id(image.object_id)
    other.mount_image("/mnt/m", found, _experimental_encryption_key=b"k" * 32)
    assert run(other, "cat /mnt/m/a") == "secret\n"
    other.unmount_image("/mnt/m")


def test_errors_say_what_is_wrong(create):
    sandbox = create()
    run(sandbox, "echo x > /srv/file")
    with pytest.raises(NotFoundError):
        sandbox.snapshot_directory("/nowhere")
    with pytest.raises(InvalidError):
        sandbox.snapshot_directory("/srv/file")
    with pytest.raises(InvalidError):
        sandbox.unmount_image("/srv")
