"""The files of volumes without a sandbox, on the engine in memory and on the local one."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox import FileEntryType
from pytest_sandbox.client import Client, Sandbox, Volume
from pytest_sandbox.client.exceptions import (
    ConflictError,
    InvalidError,
    NotFoundError,
    ResourceExhaustedError,
)
from pytest_sandbox.inmemory import FakeSandboxes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(params=["memory", "local"])
def server(request: pytest.FixtureRequest) -> Iterator[Client]:
    if request.param == "local":
        yield request.getfixturevalue("client")
        return
    with FakeSandboxes() as fake:
        yield fake.client


@pytest.fixture(params=[1, 2])
def volume(request: pytest.FixtureRequest, server: Client) -> Iterator[Volume]:
    with Volume.ephemeral(server, version=request.param) as volume:
        yield volume


@pytest.fixture
def both(server: Client) -> Iterator[Volume]:
    """A volume of version 2, in which directories can be copied."""
    with Volume.ephemeral(server, version=2) as volume:
        yield volume


def put(volume: Volume, **files: str | bytes) -> None:
    upload(volume, files)


def upload(volume: Volume, files: dict[str, str | bytes], *, force: bool = False) -> None:
    with volume.batch_upload(force=force) as batch:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            batch.put_file(io.BytesIO(data), name.replace("__", "/"))


def content(volume: Volume, path: str) -> bytes:
    return b"".join(volume.read_file(path))


def paths(volume: Volume, path: str = "/", *, recursive: bool = True) -> list[str]:
    return [entry.path for entry in volume.listdir(path, recursive=recursive)]


def attacked(server: Client, volume: Volume, script: str) -> None:
    """Run a script in a sandbox that has the volume as its working directory."""
    sandbox = Sandbox.create(volumes={"/vol": volume}, workdir="/vol", client=server)
    sandbox.run("sh", "-c", script, check=True)
    sandbox.terminate()


def test_files_are_uploaded_and_read(volume: Volume, tmp_path: Path) -> None:
    big = bytes(range(256)) * 20_000
    (tmp_path / "program").write_bytes(b"#!/bin/sh\n")
    (tmp_path / "program").chmod(0o750)
    with volume.batch_upload() as batch:
        batch.put_file(tmp_path / "program", "/bin/program")
        batch.put_file(io.BytesIO(big), "data/big")
        batch.put_file(io.BytesIO(b""), "data/empty", mode=0o600)
    assert content(volume, "data/big") == big
    assert content(volume, "/data/empty") == b""
    assert content(volume, "./bin/program") == b"#!/bin/sh\n"
    file = io.BytesIO()
    seen: list[int] = []
    size = volume.read_file_into_fileobj("data/big", file, lambda advance: seen.append(advance))
    assert (size, file.getvalue(), sum(seen)) == (len(big), big, len(big))


def test_both_faces(volume: Volume, call: Callable[..., Any], items: Callable[..., Any]) -> None:
    put(volume, a__one="1")
    assert b"".join(items(volume.read_file, "a/one")) == b"1"
    assert [entry.path for entry in items(volume.iterdir, "/")] == ["a", "a/one"]
    assert [entry.path for entry in call(volume.listdir, "a")] == ["a/one"]
    call(volume.copy_files, ["a/one"], "two")
    call(volume.remove_file, "a/one")
    assert paths(volume) == ["a", "two"]


@pytest.mark.asyncio
async def test_a_batch_in_async_code(volume: Volume) -> None:
    async with await volume.batch_upload.aio() as batch:
        batch.put_file(io.BytesIO(b"x"), "x")
    assert [data async for data in volume.read_file.aio("x")] == [b"x"]


def test_sandboxes_and_the_methods_see_the_same_files(server: Client, volume: Volume) -> None:
    sandbox = Sandbox.create(volumes={"/vol": volume}, client=server)
    put(volume, d__up="up")
    assert sandbox.filesystem.read_text("/vol/d/up") == "up"
    assert sandbox.filesystem.stat("/vol/d/up").permissions == "0644"
    sandbox.filesystem.write_text("down", "/vol/d/down")
    assert content(volume, "d/down") == b"down"
    volume.remove_file("d/up")
    assert sandbox.run("ls", "/vol/d").stdout == "down\n"
    sandbox.terminate()
    assert content(volume, "d/down") == b"down"


def test_what_a_listing_says(server: Client, volume: Volume) -> None:
    put(volume, d__file="12345")
    attacked(server, volume, "ln -s d/file link; ln -s d dir; mkdir -p d/e")
    found = {entry.path: entry for entry in volume.listdir("/", recursive=True)}
    assert {path: entry.type for path, entry in found.items()} == {
        "d": FileEntryType.DIRECTORY,
        "d/e": FileEntryType.DIRECTORY,
        "d/file": FileEntryType.FILE,
        "dir": FileEntryType.SYMLINK,
        "link": FileEntryType.SYMLINK,
    }
    assert found["d/file"].size == 5
    assert found["d/file"].mtime >= 1_000_000_000
    assert paths(volume, recursive=False) == ["d", "dir", "link"]
    assert paths(volume, "d/file") == ["d/file"]
    assert paths(volume, "link") == ["link"]


def test_a_directory_is_uploaded(volume: Volume, tmp_path: Path) -> None:
    (tmp_path / "below" / "deep").mkdir(parents=True)
    (tmp_path / "below" / "deep" / "b").write_text("b")
    (tmp_path / "a").write_text("a")
    (tmp_path / "dangling").symlink_to("nowhere")
    with volume.batch_upload() as batch:
        batch.put_directory(tmp_path, "/all")
        batch.put_directory(str(tmp_path), "top", recursive=False)
    assert paths(volume) == [
        *("all", "all/a", "all/below", "all/below/deep", "all/below/deep/b"),
        *("top", "top/a"),
    ]


def test_files_are_replaced_only_by_force(server: Client, volume: Volume) -> None:
    put(volume, f="old", d__g="g")
    with pytest.raises(FileExistsError, match="'f'"):
        put(volume, new="new", f="other")
    assert paths(volume) == ["d", "d/g", "f"]
    upload(volume, {"f": "new"}, force=True)
    assert content(volume, "f") == b"new"
    with pytest.raises(FileExistsError, match="'d'"):
        upload(volume, {"d": "no file"}, force=True)
    attacked(server, volume, "ln -s f link")
    upload(volume, {"link": "not f"}, force=True)
    assert (content(volume, "link"), content(volume, "f")) == (b"not f", b"new")


def test_a_batch_that_ends_with_an_error_uploads_nothing(volume: Volume) -> None:
    def fail() -> None:
        with volume.batch_upload() as batch:
            batch.put_file(io.BytesIO(b"x"), "x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert paths(volume) == []


def test_what_cannot_be_uploaded(volume: Volume, tmp_path: Path) -> None:
    with volume.batch_upload() as batch:
        with pytest.raises(ValueError, match="ends with a slash"):
            batch.put_file(io.BytesIO(), "x/")
        with pytest.raises(FileNotFoundError):
            batch.put_directory(tmp_path / "missing", "x")
    with pytest.raises(FileNotFoundError), volume.batch_upload() as batch:
        batch.put_file(tmp_path / "missing", "x")
    with pytest.raises(InvalidError, match="would not stay below"):
        upload(volume, {"../x": "x"})
    put(volume, d__f="f")
    with pytest.raises(InvalidError, match="Not a directory"):
        put(volume, d__f__g="g")


def test_what_is_not_there(volume: Volume) -> None:
    with pytest.raises(FileNotFoundError, match="'missing'"):
        content(volume, "missing")
    with pytest.raises(FileNotFoundError, match="'missing/x'"):
        volume.remove_file("missing/x")
    with pytest.raises(NotFoundError, match="'missing'"):
        volume.listdir("missing")
    with pytest.raises(NotFoundError, match="'missing'"):
        volume.copy_files(["missing"], "x")


def test_what_is_of_another_kind(volume: Volume) -> None:
    put(volume, d__f="f")
    with pytest.raises(InvalidError, match="Is a directory: 'd'"):
        content(volume, "d")
    with pytest.raises(InvalidError, match="Is a directory: 'd'"):
        volume.remove_file("d")
    with pytest.raises(InvalidError, match="Is a directory: 'd'"):
        volume.copy_files(["d"], "e")
    with pytest.raises(InvalidError, match=r"src_paths='d/f' .*; did you mean \['d/f'\]\?"):
        volume.copy_files("d/f", "e")
    with pytest.raises(InvalidError, match="Not a directory: 'd/f/g'"):
        volume.listdir("d/f/g")
    with pytest.raises(InvalidError, match="Not a directory: 'd/f'"):
        volume.copy_files(["d/f", "d/f"], "d/f")
    with pytest.raises(ConflictError, match="root of a volume"):
        volume.remove_file("/", recursive=True)
    with pytest.raises(InvalidError, match="would not stay below"):
        volume.listdir("..")
    with pytest.raises(InvalidError, match="patterns"):
        volume.listdir("d/*")
    with pytest.raises(InvalidError, match="src_paths is empty"):
        volume.copy_files([], "d")


def test_directories_are_removed(volume: Volume) -> None:
    put(volume, d__e__f="f", d__g="g")
    volume.remove_file("d/e", recursive=True)
    assert paths(volume) == ["d", "d/g"]


def test_files_are_copied_as_by_cp(server: Client, both: Volume) -> None:
    put(both, a="a", d__b="b", d__e__c="c")
    attacked(server, both, "chmod 751 d/b; ln -s b d/link; mkdir into")
    both.copy_files(["a", "d/b"], "into")
    both.copy_files(["a"], "made/new")
    both.copy_files(["d"], "whole", recursive=True)
    both.copy_files(["d"], "into", recursive=True)
    assert paths(both, "into") == [
        *("into/a", "into/b", "into/d", "into/d/b", "into/d/e", "into/d/e/c"),
    ]
    assert paths(both, "whole") == ["whole/b", "whole/e", "whole/e/c"]
    assert content(both, "made/new") == b"a"
    sandbox = Sandbox.create(volumes={"/vol": both}, client=server)
    assert sandbox.filesystem.stat("/vol/whole/b").permissions == "0751"
    sandbox.terminate()
    with pytest.raises(InvalidError, match="into itself: 'd'"):
        both.copy_files(["d"], "d/e", recursive=True)


def test_directories_of_the_first_version_are_not_copied(server: Client) -> None:
    with Volume.ephemeral(server) as volume:
        put(volume, d__f="f")
        with pytest.raises(ValueError, match="version=2"):
            volume.copy_files(["d"], "e", recursive=True)


def test_a_volume_to_read_is_not_changed(volume: Volume) -> None:
    put(volume, f="f")
    reader = volume.read_only()
    assert content(reader, "f") == b"f"
    for method, arguments in (
        (reader.remove_file, ("f",)),
        (reader.copy_files, (["f"], "g")),
        (reader.batch_upload, ()),
    ):
        with pytest.raises(InvalidError, match="can only be read"):
            method(*arguments)


def test_no_link_is_followed(server: Client, volume: Volume) -> None:
    """A hostile program cannot make the methods read or write anything but its own volume."""
    put(volume, d__f="f")
    attacked(server, volume, "ln -s /etc/passwd out; ln -s / root; ln -s ../.. up; ln -s d in")
    for path in ("out", "root/etc/passwd", "up/etc/passwd", "in/f"):
        with pytest.raises(InvalidError):
            content(volume, path)
    for path in ("root/etc/new", "up/new", "in/new"):
        with pytest.raises(InvalidError):
            upload(volume, {path: "new"})
        with pytest.raises(InvalidError):
            volume.copy_files(["d/f"], path)
    for path in ("root/etc", "in/f"):
        with pytest.raises(InvalidError):
            volume.remove_file(path, recursive=True)
    assert paths(volume) == ["d", "d/f", "in", "out", "root", "up"]
    volume.remove_file("root", recursive=True)
    assert "root" not in paths(volume)


def test_pipes_are_no_files(client: Client) -> None:
    with Volume.ephemeral(client) as volume:
        attacked(client, volume, "mkfifo pipe")
        (entry,) = volume.listdir("/")
        assert (entry.path, entry.type) == ("pipe", FileEntryType.FIFO)
        with pytest.raises(InvalidError):
            content(volume, "pipe")


def test_names_that_are_not_text(server: Client, volume: Volume) -> None:
    attacked(server, volume, r'touch "$(printf "\377")"')
    (entry,) = volume.listdir("/")
    assert entry.path == "�"


def test_a_full_volume() -> None:
    with FakeSandboxes(disk=100_000):
        volume = Volume.from_name("data", create_if_missing=True)
        put(volume, small="x" * 90_000)
        with pytest.raises(ResourceExhaustedError, match="No space left"):
            put(volume, large="x" * 90_000)
        assert paths(volume) == ["small"]
        with pytest.raises(ResourceExhaustedError, match="No space left"):
            volume.copy_files(["small"], "copy")
        assert content(volume, "small") == b"x" * 90_000


def test_a_deleted_volume_has_no_files(server: Client) -> None:
    with Volume.ephemeral(server) as volume:
        put(volume, f="f")
    with pytest.raises(NotFoundError, match=volume.object_id):
        volume.listdir("/")
    with pytest.raises(NotFoundError, match=volume.object_id):
        put(volume, f="f")


def test_many_volumes_in_turn(server: Client) -> None:
    """The sandboxes in which the work is done come and go."""
    names = [f"turn-{number}" for number in range(7)]
    for name in names:
        put(Volume.from_name(name, create_if_missing=True, client=server), f=name)
    for name in reversed(names):
        assert content(Volume.from_name(name, client=server), "f") == name.encode()
        Volume.objects.delete(name, client=server)


def test_the_mode_of_a_file_is_the_given_one(server: Client, volume: Volume) -> None:
    with volume.batch_upload() as batch:
        batch.put_file(io.BytesIO(b""), "f", mode=0o711)
    sandbox = Sandbox.create(volumes={"/vol": volume}, client=server)
    assert sandbox.filesystem.stat("/vol/f").permissions == "0711"
    sandbox.terminate()
