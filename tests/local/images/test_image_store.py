"""The store of unpacked layers: what is refused, shared among runs, evicted, and removed."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from pytest_sandbox.engine import (
    Capability,
    Gpus,
    InvalidSpec,
    OciImage,
    StoreFull,
    TaskSpec,
    UnknownImage,
    Unsupported,
)
from pytest_sandbox.images import LayerBlob
from pytest_sandbox.local import LocalEngine, LocalOptions, Mode

from ..conftest import need_users, until
from ..layers import (
    BUSYBOX,
    blob,
    busybox,
    digest,
    file,
    image,
    tar,
)
from .conftest import Make, an_engine
from .programs import _gzip, run, sh

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not BUSYBOX.exists(), reason="busybox-static is not installed"),
]


@pytest.mark.parametrize(
    ("packed", "words"),
    [
        (b"", "its tar has the digest sha256:"),
        (b"x" * 100, "ends early, or is empty"),
        (b"\x1f\x8b" + bytes(100), "it is damaged"),
        (_gzip(tar(file("f", os.urandom(9000))))[:-900], "it ends early"),
        (b"BZh9" + bytes(100), "compressed with bzip2"),
        (b"\x1f\x8b\x08" + b"\xff" * 100, "it is damaged"),
        (_gzip(tar(file("other"))), "its tar has the digest sha256:"),
        (_gzip(tar(file("../x"))), "'../x' would not stay below"),
        (_gzip(tar(file("f", uid=70000))), "ids go up to 65535"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_layer_that_is_no_good(
    engine: LocalEngine,
    bare: OciImage,
    store: Path,
    tmp_path: Path,
    packed: bytes,
    words: str,
) -> None:
    """It is refused by name, and nothing of it stays."""
    if words.startswith("ids"):
        need_users(engine)
    before = sorted(os.listdir(store / "layers"))
    made = image(blob(tmp_path, tar(file("f")), packed))
    with pytest.raises(InvalidSpec, match=words) as caught:
        await engine.unpack(made)
    assert made.layers[0].diff_id in str(caught.value)
    assert os.listdir(store / "new") == []
    assert sorted(os.listdir(store / "layers")) == before
    with pytest.raises(UnknownImage):
        await engine.create(TaskSpec(image=made))


async def test_a_damaged_blob_of_the_store_goes(engine: LocalEngine) -> None:
    """The next build then downloads it again."""
    stored, plain = engine.image_store, tar(file("torn", b"x" * 99))
    name = digest(plain)
    stored.add_document(name, plain)
    stored.blob(name).write_bytes(bytes(len(plain)))
    made = image(LayerBlob(name, name, len(plain), "", stored.blob(name)))

    with pytest.raises(InvalidSpec, match="damaged, and is removed: the next try gets it again"):
        await engine.unpack(made)
    assert not stored.has_blob(name)


async def test_a_layer_larger_than_the_store(
    engine: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.image_store, "limit", 100_000)
    made = image(blob(tmp_path, tar(file("f", bytes(200_000)))))
    with pytest.raises(StoreFull, match="more than the 100000 bytes"):
        await engine.unpack(made)


async def test_an_unpacking_that_is_cancelled(
    engine: LocalEngine, store: Path, tmp_path: Path
) -> None:
    made = image(blob(tmp_path, tar(file("f", bytes(50_000_000)))))
    for _ in range(2):
        unpacking = asyncio.ensure_future(engine.unpack(made))
        await asyncio.sleep(0)
        unpacking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await unpacking
    await engine.unpack(made)
    assert os.listdir(store / "new") == []


async def test_two_at_a_time(
    engine: LocalEngine, bare: OciImage, store: Path, tmp_path: Path
) -> None:
    made = image(blob(tmp_path, busybox(file("two"))), blob(tmp_path, tar(file("three"))))
    before = len(os.listdir(store / "layers"))
    await asyncio.gather(*(engine.unpack(made) for _ in range(3)))
    assert len(os.listdir(store / "layers")) == before + 2


async def test_another_run_finds_the_layers(store: Path, bare: OciImage) -> None:
    """Without the blob, which may be removed."""
    missing = OciImage("x", "sha256:0", (_without_blob(bare),))
    async with an_engine(store) as other:
        await other.unpack(missing)
        task = await other.create(TaskSpec(image=missing))
        assert await sh(task, "echo fine") == "fine\n"


def _without_blob(made: OciImage):  # type: ignore[no-untyped-def]
    import dataclasses

    return dataclasses.replace(made.layers[0], path=Path("/none"))


async def test_what_is_used_is_not_evicted(store: Path, tmp_path: Path, bare: OciImage) -> None:
    async with an_engine(store) as other:
        await other.unpack(image(blob(tmp_path, tar(file("unused")))))
    # That engine has ended; the one of this module uses all the others.
    async with an_engine(store) as other:
        removed = await asyncio.to_thread(other.image_store.shrink, 0)
        assert [part.kind for part in removed] == ["layer"]
        assert other.image_store.has_layer(bare.layers[0].diff_id)


async def test_the_store_is_closed_to_others(engine: LocalEngine, store: Path) -> None:
    """Programs of an image that run as root in a sandbox would do so on the machine."""
    assert os.stat(store).st_mode & 0o077 == 0


async def test_capability(engine: LocalEngine) -> None:
    assert not engine.images.refused
    assert Capability.IMAGE.value == "image"


async def test_the_same_layer_with_other_owners(
    engine: LocalEngine, store: Path, tmp_path: Path
) -> None:
    """Another mode cannot use what belongs to other ids; both are stored."""
    made = image(blob(tmp_path, busybox(file("owned"))))
    await engine.unpack(made)
    async with an_engine(store, LocalOptions(mode=Mode.SINGLE)) as other:
        for _ in range(2):
            await other.unpack(made)
            task = await other.create(TaskSpec(image=made))
            assert await sh(task, "$b stat -c %u:%g /owned /busybox") == "0:0\n0:0\n"


async def test_the_project_shows_and_nothing_else(
    bare: OciImage, store: Path, tmp_path: Path
) -> None:
    """Its Python environment, and the sources of editable packages, do not: Python is not there."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "f").write_text("mine")
    options = LocalOptions(project=str(project), gpus="simulated")
    async with an_engine(store, options) as other:
        await other.unpack(bare)
        task = await other.create(TaskSpec(image=bare, project=True, workdir=str(project)))
        assert await sh(task, "$b cat f; echo new > f; $b pwd") == f"mine{project}\n"
        copy = TaskSpec(image=await task.snapshot(), project=True)
        assert await sh(await other.create(copy), f"$b cat {project}/f") == "new\n"
        names = set((await sh(task, "$b ls -A /")).split())
        assert names - {project.parts[1], "tmp"} == {
            *("busybox", "dev", "etc", "proc", "root", "sys")
        }
        # The files of a driver are mounted; a program that needs more than the image has fails.
        task = await other.create(TaskSpec(image=bare, gpus=Gpus("H100")))
        assert "nvidia-smi" in await sh(task, "$b ls /opt/simulated-gpus/bin")
        failed = await run(task, "sh", "-c", "nvidia-smi")
        assert failed.code == 127
        env = {"PATH": "/own", "LD_LIBRARY_PATH": "/libraries"}  # as images say
        task = await other.create(TaskSpec(image=bare, gpus=Gpus("H100"), env=env))
        seen = (await sh(task, "echo $PATH; echo $LD_LIBRARY_PATH")).split()
        assert seen[0] == "/opt/simulated-gpus/bin:/own"
        assert seen[1] in ("/libraries", "/libraries:/opt/simulated-gpus/lib")
    assert (project / "f").read_text() == "mine"


async def test_sandboxes_made_ahead(engine: LocalEngine, make: Make, bare: OciImage) -> None:
    await engine.prepare(TaskSpec(image=bare))
    (prepared,) = engine.factory.pool.tasks
    assert await make() is await prepared


async def test_a_layer_that_may_be_incomplete_is_unpacked_again(
    store: Path, tmp_path: Path
) -> None:
    """The machine lost power before the kernel had written it to the disk."""
    made = image(blob(tmp_path, busybox(file("f", b"whole"))))
    async with an_engine(store) as first:
        await first.unpack(made)
        folder = first.image_store.layer(made.layers[0].diff_id).parent
    until((folder / "on-disk").exists, "the layer is on the disk")
    os.unlink(folder / "on-disk")
    os.truncate(folder / "files/f", 0)
    for boot, expected in ((None, ""), ("another", "whole"), ("another", "whole")):
        if boot is not None:
            (folder / "boot").write_text(boot)
        async with an_engine(store) as later:
            await later.unpack(made)
            task = await later.create(TaskSpec(image=made))
            assert await sh(task, "$b cat /f") == expected


async def test_what_a_killed_run_left_is_removed(
    engine: LocalEngine, store: Path, tmp_path: Path
) -> None:
    (store / "new/0123.layer/files/d").mkdir(parents=True)
    (store / "new/0123").touch()
    await engine.unpack(image(blob(tmp_path, tar(file("after")))))
    assert os.listdir(store / "new") == []


async def test_a_store_where_no_layer_can_be_mounted(
    bare: OciImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_SANDBOX_IMAGES", "/proc/sys")
    other = LocalEngine()
    info = await other.start()
    try:
        reason = info.details["no image"]
        assert "set PYTEST_SANDBOX_IMAGES to a folder" in reason
        assert Capability.IMAGE not in info.capabilities
        with pytest.raises(Unsupported, match="set PYTEST_SANDBOX_IMAGES to a folder"):
            await other.unpack(bare)
    finally:
        await other.close()


async def test_two_runs_unpack_the_same_layer(
    engine: LocalEngine, store: Path, tmp_path: Path
) -> None:
    made = image(blob(tmp_path, busybox(file("twice", b"x" * 1_000_000))))
    async with an_engine(store) as other:
        await asyncio.gather(engine.unpack(made), other.unpack(made))
        for each in (engine, other):
            task = await each.create(TaskSpec(image=made))
            assert await sh(task, "$b wc -c < /twice") == "1000000\n"
            await task.kill()
    assert os.listdir(store / "new") == []
