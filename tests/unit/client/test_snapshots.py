"""Snapshots of sandboxes in memory, and going back to them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest
from grpclib import Status

from pytest_sandbox import Client, Image, Sandbox, SandboxSnapshot, exceptions
from pytest_sandbox._proto import extensions_pb2, router_pb2
from pytest_sandbox._proto import snapshots_pb2 as pb
from pytest_sandbox._proto.common_pb2 import GenericResult
from pytest_sandbox._proto.extensions_grpc import ExtensionsBase
from pytest_sandbox.inmemory import FakeSandboxes

from .stubs import Service, access, control, fails, gives, in_turn, router, task_of, token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from grpclib.server import Stream

    from pytest_sandbox._run import Run

Serve = Callable[..., Client]


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


def test_an_ended_sandbox_has_nothing_to_snapshot(fake: FakeSandboxes) -> None:
    sandbox = Sandbox.create()
    image = sandbox.snapshot_filesystem()
    sandbox.terminate()

    with pytest.raises(exceptions.NotFoundError, match="has ended"):
        sandbox.snapshot_filesystem()
    with pytest.raises(exceptions.NotFoundError, match="has ended"):
        sandbox.restore(image)
    with pytest.raises(exceptions.NotFoundError, match="has ended"):
        fake.client.extensions.snapshot_and_end(sandbox)


def test_a_directory_is_mounted_in_another_sandbox(fake: FakeSandboxes, call: Any) -> None:
    one, other = Sandbox.create(), Sandbox.create()
    one.filesystem.write_text("kept", "/work/a")
    image = call(one.snapshot_directory, PurePosixPath("/work"))
    other.filesystem.write_text("below", "/mnt/b")

    call(other.mount_image, "/mnt", image)
    assert other.ls("/mnt") == ["a"]
    call(other.mount_image, PurePosixPath("/mnt"), None)
    assert other.ls("/mnt") == []
    call(other.unmount_image, "/mnt")
    call(other.unmount_image, "/mnt")

    assert other.ls("/mnt") == ["b"]
    with pytest.raises(exceptions.InvalidError, match="/mnt"):
        other.unmount_image("/mnt")


def test_a_kept_directory_has_its_time_to_live(fake: FakeSandboxes) -> None:
    sandbox = Sandbox.create(timeout=10**6)
    sandbox.mkdir("/work")
    short = sandbox.snapshot_directory("/work", ttl=60)
    for_ever = sandbox.snapshot_directory("/work", ttl=None)
    fake.clock.advance(61)
    sandbox.mount_image("/mnt", for_ever)
    with pytest.raises(exceptions.NotFoundError, match="time to live"):
        sandbox.mount_image("/mnt", short)


@pytest.mark.parametrize("path", ["", "work", 7])
def test_paths_are_absolute(fake: FakeSandboxes, path: Any) -> None:
    sandbox = Sandbox.create()
    for refusing in (
        lambda: sandbox.snapshot_directory(path),
        lambda: sandbox.mount_image(path, None),
        lambda: sandbox.unmount_image(path),
    ):
        with pytest.raises(exceptions.InvalidError, match="absolute"):
            refusing()


def test_arguments_that_make_no_sense(fake: FakeSandboxes) -> None:
    sandbox = Sandbox.create()
    with pytest.raises(exceptions.InvalidError, match="timeout=0"):
        sandbox.snapshot_filesystem(timeout=0)
    with pytest.raises(exceptions.InvalidError, match="ttl=0"):
        sandbox.snapshot_directory("/srv", ttl=0)
    sandbox.filesystem.write_text("x", "/srv/x")
    with pytest.raises(exceptions.InvalidError, match="key"):
        sandbox.snapshot_directory("/srv", _experimental_encryption_key=b"short")


def test_an_image_of_files_is_mounted_and_one_of_a_directory_is_no_machine(
    fake: FakeSandboxes,
) -> None:
    sandbox = Sandbox.create()
    files, folder = sandbox.snapshot_filesystem(), sandbox.snapshot_directory("/srv")
    sandbox.mount_image("/mnt", files)
    assert sandbox.filesystem.stat("/mnt/bin")
    with pytest.raises(exceptions.InvalidError, match="only be mounted"):
        Sandbox.create(image=folder)
    with pytest.raises(exceptions.InvalidError, match="only be mounted"):
        sandbox.restore(folder)


def test_what_is_no_image_is_refused_and_its_id_told_how_to_become_one(
    fake: FakeSandboxes,
) -> None:
    sandbox, made = Sandbox.create(), len(fake.ids)
    refused: tuple[Callable[[Any], object], ...] = (
        lambda image: Sandbox.create(image=image),
        sandbox.restore,
        lambda image: sandbox.mount_image("/mnt", image),
        fake.client.extensions.forget_image,
        lambda image: fake.client.extensions.keep_image(image, "key"),
    )
    for call in refused:
        with pytest.raises(exceptions.InvalidError, match=r"a str, no Image; .*from_id\('im-1'\)"):
            call("im-1")
        with pytest.raises(exceptions.InvalidError, match=r"image=7 is an int.* Image\.host\(\)"):
            call(7)
    with pytest.raises(exceptions.InvalidError, match="'sn-1' is a str, no SandboxSnapshot"):
        Sandbox._experimental_from_snapshot("sn-1")  # type: ignore[arg-type]
    assert len(fake.ids) == made


def test_the_view_of_this_machine_is_an_image_to_go_back_to(fake: FakeSandboxes) -> None:
    sandbox = Sandbox.create()
    sandbox.filesystem.write_text("x", "/srv/a")
    sandbox.restore(Image.host())
    assert sandbox.ls("/srv") == []
    with pytest.raises(exceptions.InvalidError, match="not a snapshot"):
        fake.client.extensions.forget_image(Image.host())


def test_hints_show_in_nothing(fake: FakeSandboxes, call: Any) -> None:
    sandbox = Sandbox.create()
    image = sandbox.snapshot_filesystem()
    before = fake.rpcs.count
    call(fake.client.extensions.prepare, "cat", image=image, workdir="/srv")
    assert fake.rpcs.count == before
    with pytest.raises(exceptions.InvalidError, match="workdir="):
        call(fake.client.extensions.prepare, workdir="srv")


def test_sandboxes_go_on_from_a_snapshot_with_processes(fake: FakeSandboxes, call: Any) -> None:
    sandbox = Sandbox.create("sleep", "100", name="same", _experimental_enable_snapshot=True)
    sandbox.filesystem.write_text("kept", "/srv/a")
    snapshot = call(sandbox._experimental_snapshot)
    with pytest.raises(exceptions.AlreadyExistsError, match="same"):
        Sandbox._experimental_from_snapshot(snapshot)

    copy = call(Sandbox._experimental_from_snapshot, snapshot, name="other")

    assert (copy.poll(), copy.filesystem.read_text("/srv/a")) == (None, "kept")
    assert Sandbox.from_name("pytest-sandbox", "other").object_id == copy.object_id
    copy.wait()
    assert copy.returncode == 0
    call(fake.client.extensions.forget_snapshot, snapshot)
    with pytest.raises(exceptions.NotFoundError, match="forgotten"):
        Sandbox._experimental_from_snapshot(snapshot, name=None)


def test_only_what_was_created_for_it_is_kept_with_its_processes(fake: FakeSandboxes) -> None:
    with pytest.raises(exceptions.ConflictError, match="_experimental_enable_snapshot=True"):
        Sandbox.create()._experimental_snapshot()


# What the wire carries


def test_a_snapshot_that_fails_says_why(serve: Serve, call: Any) -> None:
    failed = GenericResult(status=GenericResult.GENERIC_STATUS_TIMEOUT, exception="too slow")
    client = serve(
        control(
            SandboxSnapshotFs=gives(pb.SandboxSnapshotFsResponse(result=failed)),
            SandboxSnapshot=gives(pb.SandboxSnapshotResponse(snapshot_id="sn-1")),
            SandboxSnapshotWait=gives(pb.SandboxSnapshotWaitResponse(result=failed)),
        )
    )
    sandbox = Sandbox("sb-1", client)
    with pytest.raises(exceptions.ExecutionError, match="too slow"):
        call(sandbox.snapshot_filesystem)
    with pytest.raises(exceptions.ExecutionError, match="too slow"):
        call(sandbox._experimental_snapshot)


def test_a_server_that_gives_no_reason_gets_one(serve: Serve) -> None:
    client = serve(
        control(
            SandboxSnapshot=gives(pb.SandboxSnapshotResponse(snapshot_id="sn-1")),
            SandboxSnapshotWait=gives(pb.SandboxSnapshotWaitResponse()),
        )
    )
    with pytest.raises(exceptions.ExecutionError, match=r"sb-1 takes longer than 55 seconds"):
        Sandbox("sb-1", client)._experimental_snapshot()


@pytest.mark.parametrize(
    ("given", "kind", "name"),
    [({}, 0, ""), ({"name": None}, 1, ""), ({"name": "other"}, 2, "other")],
)
def test_a_snapshot_of_the_memory_is_restored_under_a_name(
    serve: Serve, call: Any, given: Any, kind: int, name: str
) -> None:
    done = GenericResult(status=GenericResult.GENERIC_STATUS_SUCCESS)
    service = control(
        SandboxSnapshot=gives(pb.SandboxSnapshotResponse(snapshot_id="sn-1")),
        SandboxSnapshotWait=gives(pb.SandboxSnapshotWaitResponse(result=done)),
        SandboxRestore=gives(pb.SandboxRestoreResponse(sandbox_id="sb-2")),
    )
    client = serve(service)
    snapshot = call(Sandbox("sb-1", client)._experimental_snapshot)
    with client.record() as ids:
        copy = call(Sandbox._experimental_from_snapshot, snapshot, **given)

    (asked,) = service.of("SandboxRestore")
    assert (copy.object_id, snapshot.object_id, ids) == ("sb-2", "sn-1", ["sb-2"])
    assert asked.request.snapshot_id == "sn-1"
    assert asked.request.sandbox_name_override_type == kind
    assert asked.request.sandbox_name_override == name


def test_a_snapshot_of_the_memory_is_found_by_its_id(serve: Serve, call: Any) -> None:
    client = serve(
        control(
            SandboxSnapshotGet=in_turn(
                gives(pb.SandboxSnapshotGetResponse(snapshot_id="sn-1")), fails(Status.NOT_FOUND)
            )
        )
    )
    assert repr(call(SandboxSnapshot.from_id, "sn-1", client)) == "SandboxSnapshot('sn-1')"
    with pytest.raises(exceptions.NotFoundError):
        SandboxSnapshot.from_id("sn-2", client)
    with pytest.raises(exceptions.InvalidError, match="im-1"):
        SandboxSnapshot.from_id("im-1", client)


def test_a_name_that_none_can_have_is_not_asked_for(serve: Serve) -> None:
    client = serve()
    with pytest.raises(exceptions.InvalidError, match="no name"):
        Sandbox._experimental_from_snapshot(SandboxSnapshot("sn-1", client), name="no name")


def test_a_directory_that_takes_too_long_is_told_of(serve: Serve, call: Any) -> None:
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    client = serve(
        control(SandboxGetTaskId=task_of("ta-1"), TaskGetCommandRouterAccess=access(token())),
        router(TaskSnapshotDirectory=never),
    )
    with pytest.raises(exceptions.TimeoutError, match="/srv takes longer than 1 seconds"):
        call(Sandbox("sb-1", client).snapshot_directory, "/srv", timeout=1)


def test_a_directory_is_kept_once_however_often_it_is_asked_for(serve: Serve) -> None:
    kept = router(
        TaskSnapshotDirectory=in_turn(
            fails(Status.UNAVAILABLE),
            gives(router_pb2.TaskSnapshotDirectoryResponse(image_id="im-1")),
        )
    )
    client = serve(
        control(SandboxGetTaskId=task_of("ta-1"), TaskGetCommandRouterAccess=access(token())), kept
    )
    image = Sandbox("sb-1", client).snapshot_directory("/srv", ttl=None)
    first, second = (asked.request for asked in kept.of("TaskSnapshotDirectory"))
    assert image.object_id == "im-1"
    assert first == second
    assert (first.path, first.ttl_seconds, bool(first.snapshot_id)) == (b"/srv", -1, True)


def test_images_are_stored_and_recalled_by_key(serve: Serve, call: Any) -> None:
    service = Service(
        ExtensionsBase,
        {
            "ImageKeep": gives(extensions_pb2.ImageKeepResponse()),
            "ImageRecall": in_turn(
                gives(extensions_pb2.ImageRecallResponse(image_id="im-2")),
                gives(extensions_pb2.ImageRecallResponse()),
            ),
            "SnapshotForget": gives(extensions_pb2.SnapshotForgetResponse()),
        },
    )
    client = serve(service)
    call(client.extensions.keep_image, Image.from_id("im-1"), "a key")
    assert call(client.extensions.recall_image, "a key").object_id == "im-2"
    assert call(client.extensions.recall_image, "another") is None
    call(client.extensions.forget_snapshot, SandboxSnapshot("sn-1", client))

    (stored,) = service.of("ImageKeep")
    assert (stored.request.image_id, stored.request.key) == ("im-1", "a key")
    assert [asked.request.key for asked in service.of("ImageRecall")] == ["a key", "another"]
    assert service.of("SnapshotForget")[0].request.snapshot_id == "sn-1"


@pytest.mark.asyncio
async def test_a_snapshot_whose_caller_has_gone_is_forgotten(serve: Serve) -> None:
    begun, go_on, forgotten = threading.Event(), threading.Event(), threading.Event()
    done = GenericResult(status=GenericResult.GENERIC_STATUS_SUCCESS)

    async def keep(_: object, stream: Stream[Any, Any]) -> None:
        begun.set()
        await asyncio.to_thread(go_on.wait)
        await stream.send_message(pb.SandboxSnapshotFsResponse(image_id="im-1", result=done))

    async def forget(request: Any, stream: Stream[Any, Any]) -> None:
        await stream.send_message(extensions_pb2.ImageForgetResponse())
        assert request.image_id == "im-1"
        forgotten.set()

    client = serve(
        control(SandboxSnapshotFs=keep), Service(ExtensionsBase, {"ImageForget": forget})
    )
    keeping = asyncio.ensure_future(Sandbox("sb-1", client).snapshot_filesystem.aio())
    await asyncio.to_thread(begun.wait)
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping
    go_on.set()
    assert await asyncio.to_thread(forgotten.wait, 30)


IN_ANOTHER_PROCESS = """
import sys
from pytest_sandbox import Image, Sandbox

copy = Sandbox.create(image=Image.from_id(sys.argv[1]))
print(copy.run("cat", "/srv/a").stdout, end="")
copy.terminate()
"""


def test_an_image_is_good_in_another_process(run: Run, sandbox: Sandbox) -> None:
    sandbox.filesystem.write_text("kept", "/srv/a")
    image = sandbox.snapshot_filesystem()
    done = subprocess.run(
        (sys.executable, "-c", IN_ANOTHER_PROCESS, image.object_id),
        env={**os.environ, "PYTEST_SANDBOX_SOCKET": run.socket()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("kept", 0), done.stderr
