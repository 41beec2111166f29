"""Snapshots of the files of a sandbox, and the sandboxes that are created from them."""

import modal
import pytest
from modal.exception import NotFoundError


def write(sandbox, path, text):
    assert sandbox.exec("sh", "-c", f"echo {text} > {path}").wait() == 0


def read(sandbox, path):
    return sandbox.exec("cat", path).stdout.read().strip()


def test_a_sandbox_made_from_a_snapshot_has_its_files(create):
    sandbox = create()
    write(sandbox, "/srv/a", "kept")
    image = sandbox.snapshot_filesystem()
    write(sandbox, "/srv/a", "later")

    copy = create(image=image)

    assert read(copy, "/srv/a") == "kept"
    assert read(sandbox, "/srv/a") == "later"


def test_a_snapshot_is_found_by_its_id(create):
    sandbox = create()
    write(sandbox, "/srv/a", "kept")
    image_id = sandbox.snapshot_filesystem().object_id
    sandbox.terminate()

    assert image_id.startswith("im-")
    assert read(create(image=modal.Image.from_id(image_id)), "/srv/a") == "kept"


def test_a_snapshot_of_a_copy_has_both(create):
    first = create()
    write(first, "/srv/a", "one")
    second = create(image=first.snapshot_filesystem())
    write(second, "/srv/b", "two")

    third = create("cat", "/srv/a", "/srv/b", image=second.snapshot_filesystem())
    third.wait()

    assert third.stdout.read() == "one\ntwo\n"


def test_what_runs_goes_on(create):
    sandbox = create("cat")
    process = sandbox.exec("cat")
    sandbox.snapshot_filesystem(timeout=30)
    for stream in (process, sandbox):
        stream.stdin.write("on\n")
        stream.stdin.write_eof()
        stream.stdin.drain()
        assert stream.stdout.read() == "on\n"


def test_a_sandbox_that_has_ended_has_no_files(create):
    sandbox = create()
    sandbox.terminate()
    sandbox.wait(raise_on_termination=False)

    with pytest.raises(NotFoundError):
        sandbox.snapshot_filesystem()
