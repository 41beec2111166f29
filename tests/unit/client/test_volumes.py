"""Volumes, on the engine in memory."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox.client import Client, Sandbox, Volume
from pytest_sandbox.client.exceptions import (
    AlreadyExistsError,
    ExecutionError,
    InvalidError,
    NotFoundError,
    UnimplementedError,
)
from pytest_sandbox.inmemory import FakeSandboxes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def fake() -> Iterator[FakeSandboxes]:
    with FakeSandboxes() as sandboxes:
        yield sandboxes


def test_a_volume_is_looked_up_when_it_is_used(call: Callable[..., Any]) -> None:
    volume = Volume.from_name("data")
    assert (volume.name, repr(volume)) == ("data", "Volume.from_name('data')")
    with pytest.raises(ExecutionError, match=r"call hydrate\(\)"):
        assert volume.object_id
    with pytest.raises(NotFoundError, match="Volume 'data' not found"):
        call(volume.hydrate)
    made = call(Volume.from_name("data", create_if_missing=True).hydrate)
    assert made.object_id.startswith("vo-")
    assert call(volume.hydrate) is volume
    assert volume.object_id == made.object_id


def test_what_one_sandbox_writes_another_sees_at_once(call: Callable[..., Any]) -> None:
    volume = Volume.from_name("data", create_if_missing=True)
    first = call(Sandbox.create, volumes={"/data": volume})
    second = call(Sandbox.create, volumes={PurePosixPath("/srv/shared"): volume})
    first.filesystem.write_text("hello", "/data/file")
    call(volume.commit)
    call(volume.reload)
    call(second.reload_volumes)
    assert second.filesystem.read_text("/srv/shared/file") == "hello"
    first.terminate()
    second.terminate()
    third = call(Sandbox.create, volumes={"/data/": volume})
    assert third.filesystem.read_text("/data/file") == "hello"


def test_who_may_only_read_cannot_write() -> None:
    volume = Volume.from_name("data", create_if_missing=True)
    assert repr(volume.read_only()) == "Volume.from_name('data').read_only()"
    sandbox = Sandbox.create(volumes={"/data": volume.read_only(), "/again": volume})
    assert volume.read_only().object_id == volume.object_id
    sandbox.filesystem.write_text("x", "/again/x")
    assert sandbox.exec("touch", "/data/y").wait() != 0
    assert sandbox.filesystem.read_text("/data/x") == "x"


@pytest.mark.parametrize("sub_path", ["/users/me/", "users/./me", PurePosixPath("/users/me")])
def test_a_part_of_a_volume_is_mounted(sub_path: Any) -> None:
    volume = Volume.from_name("data", create_if_missing=True)
    part = volume.with_mount_options(sub_path=sub_path)
    assert repr(part) == "Volume.from_name('data').with_mount_options(sub_path='users/me')"
    reader = part.with_mount_options(read_only=True)
    sandbox = Sandbox.create(volumes={"/all": volume, "/part": part, "/read": reader})
    sandbox.filesystem.write_text("x", "/part/x")
    assert sandbox.filesystem.read_text("/all/users/me/x") == "x"
    assert sandbox.filesystem.read_text("/read/x") == "x"
    assert sandbox.exec("touch", "/read/y").wait() != 0
    reader.remove_file("users/me/x")
    assert repr(part.with_mount_options(sub_path="/")) == repr(volume)


def test_options_of_mounts_that_do_not_fit() -> None:
    volume = Volume.from_name("data")
    with pytest.raises(InvalidError, match=r"sub_path='\.\./x'"):
        volume.with_mount_options(sub_path="../x")
    with pytest.raises(InvalidError, match="sub_path=5 is not a path"):
        volume.with_mount_options(sub_path=5)  # type: ignore[arg-type]
    with pytest.raises(InvalidError, match=r"say with_mount_options\(read_only=True\)"):
        volume.read_only().with_mount_options(sub_path="x")
    with pytest.raises(InvalidError, match=r"say with_mount_options\(read_only=True\)"):
        volume.with_mount_options(sub_path="x").read_only()


def test_an_ephemeral_volume_lives_as_long_as_its_with() -> None:
    with Volume.ephemeral() as volume:
        assert (volume.name, repr(volume)) == (None, "Volume.ephemeral()")
        sandbox = Sandbox.create(volumes={"/data": volume})
        sandbox.filesystem.write_text("x", "/data/x")
    assert sandbox.filesystem.read_text("/data/x") == "x"
    with pytest.raises(NotFoundError, match=volume.object_id):
        Sandbox.create(volumes={"/data": volume})


@pytest.mark.asyncio
async def test_an_ephemeral_volume_works_in_async_code() -> None:
    async with Volume.ephemeral() as volume:
        assert (await volume.info.aio()).name is None


def test_an_ephemeral_volume_gives_signs_of_life(fake: FakeSandboxes) -> None:
    with Volume.ephemeral() as volume:
        fake.clock.advance(3000)
        assert Sandbox.create(volumes={"/data": volume})
    assert len(list(fake.rpcs.of("VolumeHeartbeat"))) == 10


def test_an_ephemeral_volume_may_end_before_its_with(fake: FakeSandboxes) -> None:
    fake.faults.on("VolumeHeartbeat").status("PERMISSION_DENIED")
    with Volume.ephemeral() as volume:
        fake.clock.advance(1000)
        with pytest.raises(NotFoundError, match=volume.object_id):
            Sandbox.create(volumes={"/data": volume})


def test_what_is_known_of_a_volume(call: Callable[..., Any]) -> None:
    info = call(Volume.from_name("data", create_if_missing=True).info)
    assert (info.name, info.created_by) == ("data", None)
    assert info.created_at.tzinfo is not None


def test_volumes_are_made_listed_renamed_and_deleted(call: Callable[..., Any]) -> None:
    for name in ("a", "b", "c"):
        call(Volume.objects.create, name)
    with pytest.raises(AlreadyExistsError, match="'a' already exists"):
        call(Volume.objects.create, "a")
    call(Volume.objects.create, "a", allow_existing=True)
    assert [volume.name for volume in call(Volume.objects.list)] == ["c", "b", "a"]
    assert [volume.name for volume in call(Volume.objects.list, max_objects=1)] == ["c"]
    with pytest.raises(AlreadyExistsError):
        call(Volume.rename, "a", "b")
    call(Volume.rename, "a", "d")
    (found,) = (v for v in call(Volume.objects.list) if v.name == "d")
    assert found.object_id == Volume.from_name("d").hydrate().object_id
    call(Volume.objects.delete, "d")
    with pytest.raises(NotFoundError, match="Volume 'd' not found"):
        call(Volume.objects.delete, "d")
    call(Volume.objects.delete, "d", allow_missing=True)


def test_a_list_is_gathered_from_pages() -> None:
    for number in range(205):
        Volume.objects.create(f"v{number}")
    names = [volume.name for volume in Volume.objects.list()]
    assert names == [f"v{number}" for number in reversed(range(205))]
    assert len(Volume.objects.list(max_objects=150)) == 150


def test_a_list_ends_at_a_time(fake: FakeSandboxes) -> None:
    Volume.objects.create("old")
    fake.clock.advance(100)
    moment = datetime.fromtimestamp(fake.clock.now(), timezone.utc)
    fake.clock.advance(100)
    Volume.objects.create("new")
    assert [volume.name for volume in Volume.objects.list(created_before=moment)] == ["old"]
    tomorrow = (moment.astimezone() + timedelta(days=2)).strftime("%Y-%m-%d")
    assert len(Volume.objects.list(created_before=tomorrow)) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"max_objects": -1}, "max_objects=-1 is negative"),
        ({"created_before": "yesterday"}, "created_before='yesterday' is no time"),
        ({"created_before": 5}, "created_before=5 is no time"),
    ],
)
def test_a_list_of_nonsense_is_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidError, match=words):
        Volume.objects.list(**arguments)


def test_a_deleted_volume_is_an_error_at_run_time() -> None:
    volume = Volume.from_name("data", create_if_missing=True).hydrate()
    Volume.objects.delete("data")
    for method in (volume.commit, volume.reload):
        with pytest.raises(RuntimeError, match=volume.object_id):
            method()


@pytest.mark.parametrize("name", ["a b", "", "x" * 65])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidError, match="is not a name for Volume"):
        Volume.from_name(name)
    with pytest.raises(InvalidError, match="is not a name for Volume"):
        Volume.rename("a", name)


def test_what_is_no_version_is_refused() -> None:
    with pytest.raises(InvalidError, match="version=3 is neither 1 nor 2"):
        Volume.from_name("a", version=3)


VOLUME = Volume.from_name("data", create_if_missing=True)


@pytest.mark.parametrize(
    ("volumes", "words"),
    [
        ([VOLUME], "is a list, not a dict"),
        ({"data": VOLUME}, "absolute path"),
        ({"/data/../x": VOLUME}, "absolute path"),
        ({"/": VOLUME}, "can be mounted at /"),
        ({"/root": VOLUME}, "can be mounted at /root"),
        ({"/tmp/": VOLUME}, "can be mounted at /tmp"),
        ({5: VOLUME}, "5 is not a path"),
        ({"/a\0": VOLUME}, "is not a path"),
        ({"/data": "data"}, "is no Volume"),
        ({"/a": VOLUME, "/b": VOLUME}, "at one path only, not at '/b' too"),
    ],
)
def test_what_cannot_be_mounted_is_refused(volumes: Any, words: str) -> None:
    with pytest.raises(InvalidError, match=words):
        Sandbox.create(volumes=volumes)


def test_buckets_are_refused_with_what_to_do_instead() -> None:
    class CloudBucketMount:
        """As Modal's client has it."""

    with pytest.raises(UnimplementedError, match=r"'/b': CloudBucketMount.*mount a Volume"):
        Sandbox.create(volumes={"/b": CloudBucketMount()})  # type: ignore[dict-item]
    with pytest.raises(UnimplementedError, match=r"network_file_systems=.*; use volumes"):
        Sandbox.create(network_file_systems={"/n": object()})


def test_real_sandboxes_share_a_volume(client: Client) -> None:
    with Volume.ephemeral(client) as volume:
        writer = Sandbox.create(volumes={"/data": volume}, client=client)
        reader = Sandbox.create(volumes={"/srv/data": volume.read_only()}, client=client)
        writer.filesystem.write_text("hello", "/data/file")
        reader.reload_volumes()
        assert reader.run("cat", "/srv/data/file").stdout == "hello"
        assert reader.run("touch", "/srv/data/new").returncode != 0
        writer.terminate()
        reader.terminate()


def test_a_restored_sandbox_has_its_volumes_as_they_are_now(client: Client) -> None:
    with Volume.ephemeral(client) as volume:
        sandbox = Sandbox.create(volumes={"/data": volume}, client=client)
        image = sandbox.snapshot_filesystem()
        sandbox.filesystem.write_text("later", "/data/file")
        sandbox.filesystem.write_text("gone", "/srv/file")
        sandbox.restore(image)
        assert sandbox.filesystem.read_text("/data/file") == "later"
        assert sandbox.filesystem.list_files("/srv") == []
        sandbox.terminate()
