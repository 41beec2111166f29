"""Keeping what a sandbox is, and going back to it; with sandboxes in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox import Image, Sandbox, exceptions
from pytest_sandbox.inmemory import FakeSandboxes

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def fake() -> Iterator[FakeSandboxes]:
    with FakeSandboxes(seed="a test") as sandboxes:
        yield sandboxes


def test_a_sandbox_made_from_a_snapshot_has_its_files(fake: FakeSandboxes, call: Any) -> None:
    sandbox = Sandbox.create()
    sandbox.filesystem.write_text("kept", "/srv/a")
    image = call(sandbox.snapshot_filesystem)
    sandbox.filesystem.write_text("later", "/srv/a")

    copy = Sandbox.create(image=image)

    assert copy.filesystem.read_text("/srv/a") == "kept"
    assert sandbox.filesystem.read_text("/srv/a") == "later"


def test_an_image_is_found_by_its_id(fake: FakeSandboxes) -> None:
    sandbox = Sandbox.create()
    sandbox.filesystem.write_text("kept", "/srv/a")
    image = Image.from_id(sandbox.snapshot_filesystem().object_id)

    assert Sandbox.create(image=image).filesystem.read_text("/srv/a") == "kept"


def test_snapshots_of_snapshots_branch(fake: FakeSandboxes) -> None:
    first = Sandbox.create()
    first.filesystem.write_text("1", "/srv/one")
    base = first.snapshot_filesystem()
    left, right = Sandbox.create(image=base), Sandbox.create(image=base)
    left.filesystem.write_text("2", "/srv/two")
    right.filesystem.remove("/srv/one")
    copies = [Sandbox.create(image=each.snapshot_filesystem()) for each in (left, right)]

    assert [copy.ls("/srv") for copy in copies] == [["one", "two"], []]


def test_restoring_keeps_the_sandbox_and_brings_its_files_back(
    fake: FakeSandboxes, call: Any
) -> None:
    sandbox = Sandbox.create("sh", "-c", "echo started; cat", name="same")
    sandbox.set_tags({"a": "b"})
    sandbox.filesystem.write_text("kept", "/srv/a")
    image = sandbox.snapshot_filesystem()
    sandbox.filesystem.write_text("later", "/srv/a")
    before = sandbox.object_id
    assert next(iter(sandbox.stdout)) == "started\n"

    call(sandbox.restore, image)

    assert sandbox.object_id == before
    assert sandbox.poll() is None
    assert sandbox.get_tags() == {"a": "b"}
    assert Sandbox.from_name("pytest-sandbox", "same").object_id == before
    assert sandbox.filesystem.read_text("/srv/a") == "kept"
    sandbox.stdin.write("again\n")
    sandbox.stdin.write_eof()
    sandbox.stdin.drain()
    assert sandbox.stdout.read() == "started\nagain\n"
    sandbox.wait()
    assert sandbox.returncode == 0


def test_restoring_kills_what_runs(fake: FakeSandboxes) -> None:
    sandbox = Sandbox.create()
    image = sandbox.snapshot_filesystem()
    running = sandbox.exec("cat")

    sandbox.restore(image)

    assert running.wait() == 137
    assert sandbox.run("echo", "new").stdout == "new\n"


def test_a_snapshot_may_end_its_sandbox(fake: FakeSandboxes, call: Any) -> None:
    sandbox = Sandbox.create()
    sandbox.filesystem.write_text("kept", "/srv/a")

    image = call(fake.client.extensions.snapshot_and_end, sandbox)

    assert sandbox.poll() == 137
    assert Sandbox.create(image=image).filesystem.read_text("/srv/a") == "kept"


def test_a_forgotten_image_is_gone_and_its_sandboxes_stay(fake: FakeSandboxes, call: Any) -> None:
    sandbox = Sandbox.create()
    sandbox.filesystem.write_text("kept", "/srv/a")
    image = sandbox.snapshot_filesystem()
    copy = Sandbox.create(image=image)

    call(fake.client.extensions.forget_image, image)
    fake.client.extensions.forget_image(image)

    with pytest.raises(exceptions.NotFoundError, match="it was forgotten"):
        Sandbox.create(image=image)
    assert copy.filesystem.read_text("/srv/a") == "kept"


def test_an_ended_sandbox_has_nothing_to_keep(fake: FakeSandboxes) -> None:
    sandbox = Sandbox.create()
    image = sandbox.snapshot_filesystem()
    sandbox.terminate()

    with pytest.raises(exceptions.NotFoundError, match="finished"):
        sandbox.snapshot_filesystem()
    with pytest.raises(exceptions.NotFoundError, match="finished"):
        sandbox.restore(image)
    with pytest.raises(exceptions.NotFoundError, match="finished"):
        fake.client.extensions.snapshot_and_end(sandbox)
