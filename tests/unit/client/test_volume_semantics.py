"""Volumes as at Modal: what is written is seen after a commit and a reload."""

from __future__ import annotations

import asyncio
import errno
import io
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox._proto.inspector_pb2 import InspectorDescribeResponse, SandboxLoss
from pytest_sandbox._run import Run
from pytest_sandbox.client import Client, Sandbox, Volume
from pytest_sandbox.client.exceptions import ResourceExhaustedError
from pytest_sandbox.engine import EngineUnavailable
from pytest_sandbox.inmemory import FakeSandboxes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


@pytest.fixture(scope="module")
def local() -> Iterator[Client]:
    run = Run.create()
    client = Client(run.start("local", {"volume_semantics": "modal"}).socket)
    yield client
    client.close()
    run.close()


@pytest.fixture(params=["memory", "local"])
def server(request: pytest.FixtureRequest) -> Iterator[Client]:
    if request.param == "local":
        yield request.getfixturevalue("local")
        return
    with FakeSandboxes(volume_semantics="modal") as fake:
        yield fake.client


@pytest.fixture
def volume(server: Client) -> Iterator[Volume]:
    with Volume.ephemeral(server) as volume:
        yield volume


@pytest.fixture
def create(server: Client, volume: Volume) -> Iterator[Callable[[], Sandbox]]:
    made: list[Sandbox] = []

    def create() -> Sandbox:
        made.append(Sandbox.create(volumes={"/vol": volume}, workdir="/vol", client=server))
        return made[-1]

    yield create
    for sandbox in made:
        sandbox.terminate()


def run(sandbox: Sandbox, script: str) -> str:
    return sandbox.run("sh", "-ec", script, check=True).stdout


def paths(volume: Volume) -> list[str]:
    return [entry.path for entry in volume.listdir("/", recursive=True)]


def test_a_reader_sees_what_is_committed_after_a_reload(
    volume: Volume, create: Callable[[], Sandbox]
) -> None:
    writer, reader = create(), create()
    run(writer, "mkdir d; echo one > d/f; ln -s d/f l")
    reader.reload_volumes()
    assert (run(reader, "echo *"), paths(volume)) == ("*\n", [])

    volume.commit()
    assert (run(reader, "echo *"), paths(volume)) == ("*\n", ["d", "d/f", "l"])
    assert run(create(), "cat l") == "one\n"
    reader.reload_volumes()
    assert run(reader, "cat l") == "one\n"

    run(writer, "rm -r d; echo two > l.new; mv l.new l")
    volume.commit()
    reader.reload_volumes()
    assert run(reader, "echo *; cat l") == "l\ntwo\n"


def test_the_end_of_a_sandbox_commits(volume: Volume, create: Callable[[], Sandbox]) -> None:
    writer = create()
    run(writer, "echo one > f")
    writer.terminate()
    assert b"".join(volume.read_file("f")) == b"one\n"
    assert (paths(volume), run(create(), "cat f")) == (["f"], "one\n")


def test_the_end_of_the_main_process_commits(server: Client, volume: Volume) -> None:
    with Volume.ephemeral(server) as other:
        sandbox = Sandbox.create(
            "sh",
            "-c",
            "read line; echo one > /1/f; echo two > /2/f",
            volumes={"/1": volume, "/2": other},
            client=server,
        )
        sandbox.stdin.write("go\n")
        sandbox.stdin.drain()
        sandbox.wait()
        assert b"".join(other.read_file("f")) == b"two\n"  # the one that is committed last
        assert b"".join(volume.read_file("f")) == b"one\n"


def test_file_methods_wait_for_a_commit_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else they show half of it, and the names that files have while they are written."""
    with FakeSandboxes(volume_semantics="modal") as fake, ThreadPoolExecutor() as threads:
        volume = Volume.from_name("data", create_if_missing=True)
        sandbox = Sandbox.create(volumes={"/vol": volume})
        for name in "abc":
            sandbox.filesystem.write_text(name, f"/vol/{name}")
        files, begun, called, ended = fake._app.state.volume_files, Event(), Event(), []
        unpack = files.unpack

        async def slowly(volume: str, tar: AsyncIterator[bytes]) -> None:
            begun.set()
            await asyncio.to_thread(called.wait)
            await asyncio.to_thread(wait, calls, 0.1)  # enough for calls that do not wait
            await unpack(volume, tar)
            ended.append("commit")

        def upload() -> None:
            with volume.batch_upload() as batch:
                batch.put_file(io.BytesIO(b"up"), "up")

        def call(method: Callable[[], object]) -> None:
            method()
            ended.append("call")

        monkeypatch.setattr(files, "unpack", slowly)
        commit = threads.submit(volume.commit)
        assert begun.wait(10)
        methods = (
            lambda: volume.listdir("/"),
            lambda: list(volume.read_file("a")),
            lambda: volume.copy_files(["b"], "d"),
            lambda: volume.remove_file("c"),
            upload,
        )
        calls = [threads.submit(call, method) for method in methods]
        called.set()
        for future in (commit, *calls):
            future.result()
        assert ended == ["commit", *["call"] * len(methods)]
        assert paths(volume) == ["a", "b", "d", "up"]


def test_a_reload_commits_too(volume: Volume, create: Callable[[], Sandbox]) -> None:
    one, other = create(), create()
    run(one, "echo one > one")
    run(other, "echo other > other")
    one.reload_volumes()
    other.reload_volumes()
    assert run(other, "cat one other") == "one\nother\n"
    assert (run(one, "echo *"), paths(volume)) == ("one\n", ["one", "other"])


def test_the_last_to_commit_a_file_wins(volume: Volume, create: Callable[[], Sandbox]) -> None:
    one, other = create(), create()
    run(one, "mkdir d; echo one > f; echo one > d/one")
    run(other, "mkdir d; echo other > f; echo other > d/other")
    other.reload_volumes()
    one.reload_volumes()
    assert run(one, "cat f; echo d/*") == "one\nd/one d/other\n"
    run(one, "rm -r d")
    run(other, "echo new > d/new")
    other.reload_volumes()
    one.reload_volumes()
    assert paths(volume) == ["d", "d/new", "f"]


def test_a_file_takes_the_place_of_a_directory(
    volume: Volume, create: Callable[[], Sandbox]
) -> None:
    one, other = create(), create()
    run(one, "mkdir -p d/e; echo > f")
    volume.commit()
    other.reload_volumes()
    run(other, "rm -r d f; echo file > d; mkdir f")
    volume.commit()
    one.reload_volumes()
    assert run(one, "cat d; ls f") == "file\n"


def test_uploads_are_committed_at_once(volume: Volume, create: Callable[[], Sandbox]) -> None:
    reader = create()
    with volume.batch_upload() as batch:
        batch.put_file(io.BytesIO(b"up\n"), "f")
    assert run(reader, "echo *") == "*\n"
    reader.reload_volumes()
    assert run(reader, "cat f") == "up\n"


def test_a_deleted_volume_stays_as_a_copy(server: Client) -> None:
    with Volume.ephemeral(server) as volume:
        sandbox = Sandbox.create(volumes={"/vol": volume}, workdir="/vol", client=server)
        run(sandbox, "echo one > f")
    sandbox.reload_volumes()
    assert run(sandbox, "cat f") == "one\n"
    sandbox.terminate()


def test_a_restored_sandbox_has_its_copy(volume: Volume, create: Callable[[], Sandbox]) -> None:
    sandbox = create()
    run(sandbox, "echo one > f; echo two > /srv/f")
    sandbox.restore(sandbox.snapshot_filesystem())
    assert (run(sandbox, "cat f /srv/f"), paths(volume)) == ("one\ntwo\n", [])
    volume.commit()
    assert paths(volume) == ["f"]


def test_a_link_in_a_copy_leads_nowhere(volume: Volume, create: Callable[[], Sandbox]) -> None:
    """What a hostile sandbox replaces by links is committed as links."""
    hostile, other = create(), create()
    run(other, "mkdir d; echo other > d/f")
    other.reload_volumes()
    hostile.reload_volumes()
    run(hostile, "rm -r d; ln -s /etc d")
    run(other, "echo new > d/passwd")
    hostile.reload_volumes()
    assert [entry.type.name for entry in volume.listdir("/")] == ["SYMLINK"]
    other.reload_volumes()
    assert paths(volume) == ["d", "d/passwd"]
    assert run(create(), "cat d/passwd") == "new\n"


def test_other_semantics_are_refused() -> None:
    with pytest.raises(ValueError, match="volume_semantics='x' is neither modal nor shared"):
        FakeSandboxes(volume_semantics="x")


def test_a_full_volume_takes_what_fits_and_says_what_does_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with FakeSandboxes(volume_semantics="modal", disk=3000) as fake:
        volume = Volume.from_name("data", create_if_missing=True)
        sandboxes = [Sandbox.create(volumes={"/vol": volume}) for _ in range(3)]
        for sandbox, name, size in zip(sandboxes, "abc", (2000, 2000, 10), strict=True):
            sandbox.filesystem.write_bytes(bytes(size), f"/vol/{name}")
        for call in (volume.commit, sandboxes[1].reload_volumes):
            with pytest.raises(ResourceExhaustedError, match="No space left on device: 'b'"):
                call()
        assert paths(volume) == ["a", "c"]
        sandboxes[1].terminate()
        assert paths(volume) == ["a", "c"]
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert "some is lost: [Errno 28]" in caplog.text
        told = fake.client.batch([sandboxes[1].object_id]).describe(0)[sandboxes[1].object_id]
        assert isinstance(told, InspectorDescribeResponse)
        reason = "[Errno 28] No space left on device: 'b'"
        assert list(told.lost) == [SandboxLoss(path="/vol", reason=reason)]
        volume.remove_file("a")
        assert Sandbox.create(volumes={"/vol": volume}).filesystem.list_files("/vol")
        assert fake.violations() == []
    assert len(caplog.records) == 1  # the end of the engine is no loss


def test_a_copy_that_cannot_be_made_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeSandboxes(volume_semantics="modal") as fake:
        copies = fake._app.state.private_copies
        assert copies is not None

        async def fetch(_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        one, two = Volume.from_name("1", create_if_missing=True), Volume.ephemeral()
        with two as other, monkeypatch.context() as patch:
            patch.setattr(copies, "_fetch", fetch)
            with pytest.raises(ResourceExhaustedError, match="No space left"):
                Sandbox.create(volumes={"/1": one, "/2": other})
            assert copies._copies == {}
        Sandbox.create(volumes={"/1": one})


def test_what_was_on_a_machine_that_is_gone_is_told_as_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = "the engine on gpu-box is gone"

    async def raises(*_: object) -> None:
        raise EngineUnavailable(gone)

    with FakeSandboxes(volume_semantics="modal") as fake:
        volume = Volume.from_name("data", create_if_missing=True)
        sandbox = Sandbox.create(volumes={"/vol": volume})
        sandbox.filesystem.write_text("x", "/vol/x")
        state = fake._app.state
        monkeypatch.setattr(state.volume_files, "unpack", raises)
        monkeypatch.setattr(state.engine, "forget_volume", raises)
        sandbox.terminate()
        told = fake.client.batch([sandbox.object_id]).describe(0)[sandbox.object_id]
        assert isinstance(told, InspectorDescribeResponse)
        assert list(told.lost) == [SandboxLoss(path="/vol", reason=gone)]
        monkeypatch.undo()
