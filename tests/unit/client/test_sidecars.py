"""Sidecars of our own client, on real sandboxes and in memory, by both versions of the API."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox.client import Client, Image, Sandbox, SidecarContainer, Volume
from pytest_sandbox.client.exceptions import (
    AlreadyExistsError,
    ClientClosed,
    InvalidError,
    NotFoundError,
    SandboxTerminatedError,
)
from pytest_sandbox.inmemory import FakeSandboxes

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=["local", "fake", "fake, second version"])
def sandbox(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox, on the default engine meanwhile."""
    if request.param == "local":
        client = request.getfixturevalue("client")
        before = Client.set_default(client)
        sandbox = Sandbox.create()
        yield sandbox
        Sandbox.from_id(sandbox.object_id).terminate()
        Client.set_default(before)
        return
    if "second" in request.param:
        monkeypatch.setenv("MODAL_SANDBOX_V2", "1")
    with FakeSandboxes():
        yield Sandbox.create()


def test_it_has_files_and_commands_of_its_own(sandbox: Sandbox, call: Any) -> None:
    sidecar = call(
        sandbox._experimental_sidecars.create,
        name="worker",
        image=Image.host(),
        env={"GREETING": "hello"},
        workdir="/srv",
    )
    assert sidecar.object_id.startswith("ctr-")
    assert repr(sidecar) == f"SidecarContainer('worker', '{sidecar.object_id}')"
    process = call(sidecar.exec, "sh", "-c", 'echo "$GREETING $A $PWD"; exit 3', env={"A": "b"})
    assert call(process.stdout.read) == "hello b /srv\n"
    assert call(process.wait) == 3
    assert call(sidecar.run, "echo", "hi").stdout == "hi\n"
    call(sidecar.filesystem.write_text, "mine", "/srv/note")
    assert call(sidecar.filesystem.read_text, "/srv/note") == "mine"
    assert sandbox.run("cat", "/srv/note").returncode != 0
    assert sidecar.object_id in repr(sidecar.filesystem)


def test_they_are_listed_and_end(sandbox: Sandbox, call: Any) -> None:
    sidecars = sandbox._experimental_sidecars
    assert call(sidecars.list) == []
    first = sidecars.create("sh", "-c", "exit 7", name="job", image=Image.host())
    call(first.wait)
    assert call(first.poll) == 7
    with pytest.raises(NotFoundError, match="job"):
        call(sidecars.get, name="job")
    second = sidecars.create(name="job", image=Image.host())
    assert call(second.poll) is None
    with pytest.raises(AlreadyExistsError, match="job"):
        sidecars.create(name="job", image=Image.host())
    assert [each.object_id for each in call(sidecars.list)] == [second.object_id]
    assert call(second.terminate, wait=True) == 137
    with pytest.raises(SandboxTerminatedError):
        second.wait()
    both = call(sidecars.list, include_terminated=True)
    assert [(each.object_id, each.poll()) for each in both] == [
        (first.object_id, 7),
        (second.object_id, 137),
    ]
    assert sidecars.get(name="job", include_terminated=True).object_id == second.object_id
    with pytest.raises(NotFoundError):
        second.exec("true").wait()


def test_snapshots_and_volumes(sandbox: Sandbox, call: Any) -> None:
    volume = Volume.from_name("of-a-sidecar", create_if_missing=True)
    sidecars = sandbox._experimental_sidecars
    sidecar = sidecars.create(name="one", image=Image.host(), volumes={"/data": volume})
    sidecar.filesystem.write_text("kept", "/data/file")
    call(sidecar.reload_volumes)
    call(sidecar.mount_image, "/mounted", None)
    sidecar.filesystem.write_text("ready", "/mounted/state")
    folder = call(sidecar.snapshot_directory, "/mounted")
    sidecar.filesystem.write_text("ready", "/srv/state")

    copy = sidecars.create(name="two", image=call(sidecar.snapshot_filesystem))
    copy.mount_image("/mounted", folder)
    assert copy.filesystem.read_text("/srv/state") == "ready"
    assert copy.filesystem.read_text("/mounted/state") == "ready"
    call(copy.unmount_image, "/mounted")
    assert sandbox.run("ls", "/mounted").returncode != 0


def test_it_ends_with_its_sandbox(sandbox: Sandbox) -> None:
    sidecar = sandbox._experimental_sidecars.create(name="worker", image=Image.host())
    sandbox.terminate()
    with pytest.raises(NotFoundError):
        sidecar.exec("true").wait()


def test_what_makes_no_sense(sandbox: Sandbox, call: Any) -> None:
    sidecars = sandbox._experimental_sidecars
    for name in ("main", "no name"):
        with pytest.raises(InvalidError, match="name"):
            call(sidecars.create, name=name, image=Image.host())
    with pytest.raises(InvalidError, match="no Image"):
        call(sidecars.create, name="x", image="im-1")
    with pytest.raises(InvalidError, match="proxy='p' is a str, no Proxy"):
        call(sidecars.create, name="x", image=Image.host(), proxy="p")
    sandbox.detach()
    with pytest.raises(ClientClosed, match="was detached"):
        call(sandbox._experimental_sidecars.list)


def test_another_process_can_have_it(client: Client) -> None:
    sandbox = Sandbox.create(client=client)
    sidecar = sandbox._experimental_sidecars.create(name="worker", image=Image.host())
    same: SidecarContainer = pickle.loads(pickle.dumps(sidecar))
    files = pickle.loads(pickle.dumps(sidecar.filesystem))
    same.filesystem.write_text("x", "/srv/x")
    assert files.read_text("/srv/x") == "x"
    assert (same.name, same.terminate(wait=True)) == ("worker", 137)
    sandbox.terminate()
