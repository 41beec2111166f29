"""Layers of builds are stored for later runs: each is made once, whichever run makes it."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from pytest_sandbox.cli import main
from pytest_sandbox.engine import EngineUnavailable
from pytest_sandbox.engines import load_engine

from .building import begin, built, failure, join, mount, printed, secret
from .engines import GatedEngine
from .harness import Harness, serve


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "pytest-sandbox" / "images"


def stored_files(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.exists() else []


def contents(folder: Path) -> int:
    """How many layers are stored; nothing else is left."""
    for name in ("new", "making"):
        assert stored_files(folder / name) == []
    return len(stored_files(folder / "keys"))


def steps(server: Harness) -> int:
    return sum(task.spec.name.startswith("build: ") for task in server.engine.tasks)


LINES = ("RUN echo 1 > /srv/a", "ENV A=b", "RUN echo $A >> /srv/a")


@pytest.mark.asyncio
async def test_a_later_run_finds_the_layers_of_an_earlier_one(folder: Path) -> None:
    async with serve(GatedEngine(), store_layers=True) as server:
        await built(server, *LINES)
    assert contents(folder) == 2
    async with serve(GatedEngine(), store_layers=True) as server:
        response = await begin(server, *LINES)
        _, log = await join(server, response.image_id)
        assert log.count("(from the cache of another run)") == 2
        assert await printed(server, response.image_id, "cat", "/srv/a") == "1\nb\n"
        assert steps(server) == 0
        # A line that changed is run, on what is stored of those before.
        image_id = await built(server, *LINES[:2], "RUN echo other >> /srv/a")
        assert await printed(server, image_id, "cat", "/srv/a") == "1\nother\n"
        assert steps(server) == 1
        await built(server, *LINES, force=True)
        assert steps(server) == 3


@pytest.mark.asyncio
async def test_prune_lists_layers_and_removes_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prune", "--images"]) == 0
    async with serve(GatedEngine(), store_layers=True) as server:
        await built(server, *LINES)
    assert main(["prune", "--images"]) == 0
    assert capsys.readouterr().out.count("layer of a build ") == 2
    assert contents(folder) == 2
    assert main(["prune", "--images", "--remove"]) == 0
    assert capsys.readouterr().out.count(": removed") == 2
    assert contents(folder) == 0
    assert stored_files(folder / "blobs") == []


@pytest.mark.asyncio
async def test_steps_on_an_image_that_was_built_before(folder: Path) -> None:
    for expected in (2, 0):
        async with serve(GatedEngine(), store_layers=True) as server:
            base = await built(server, "RUN echo 1 > /srv/a")
            image_id = await built(server, "RUN echo 2 >> /srv/a", base=base)
            assert await printed(server, image_id, "cat", "/srv/a") == "1\n2\n"
            assert steps(server) == expected


@pytest.mark.asyncio
async def test_what_may_differ_in_a_later_run_is_not_stored(folder: Path) -> None:
    async with serve(GatedEngine(), store_layers=True) as server:
        secret_ids = [await secret(server, TOKEN="hunter2-and-more")]
        base = await built(server, "RUN true")
        # Of a step that has seen a secret nothing is stored, nor of those after it.
        await built(server, "RUN echo $TOKEN > /srv/a", base=base, secret_ids=secret_ids)
        sandbox = await server.create(image_id=base)
        await server.terminate(sandbox)
        assert "exit code 1" in await failure(server, "RUN fail 1")
    assert contents(folder) == 1
    assert all(b"hunter2" not in path.read_bytes() for path in stored_files(folder / "blobs"))


@pytest.mark.asyncio
async def test_another_engine_or_another_machine_finds_nothing(folder: Path) -> None:
    for fingerprint, ran in (("one", 2), ("other", 2), ("one", 0), ("", 2)):
        async with serve(GatedEngine(fingerprint=fingerprint), store_layers=True) as server:
            await built(server, *LINES)
            assert steps(server) == ran


@pytest.mark.asyncio
async def test_a_damaged_layer_is_made_again(folder: Path) -> None:
    for _ in range(2):
        async with serve(GatedEngine(), store_layers=True) as server:
            image_id = await built(server, *LINES)
            assert await printed(server, image_id, "cat", "/srv/a") == "1\nb\n"
            assert steps(server) == 2
        for blob in (folder / "blobs").iterdir():
            os.truncate(blob, blob.stat().st_size // 2)


@pytest.mark.asyncio
async def test_a_cache_that_does_not_work_fails_no_build(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.makedirs(folder.parent)
    os.mkfifo(folder)
    async with serve(GatedEngine(), store_layers=True) as server:
        await built(server, *LINES)
    os.unlink(folder)
    monkeypatch.setenv("PYTEST_SANDBOX_CACHE_SIZE", "10")
    async with serve(GatedEngine(), store_layers=True) as server:
        await built(server, *LINES)
    assert contents(folder) == 0


@pytest.mark.asyncio
async def test_two_runs_at_once_do_a_step_once(folder: Path) -> None:
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(serve(GatedEngine(), store_layers=True))
            for _ in range(2)
        ]
        one, other = servers
        one.engine.gate.clear()
        first = await begin(one, *LINES)
        await one.engine.waiting.wait()
        second = await begin(other, *LINES)
        build = other.app.builder.find(second.image_id)
        assert build is not None
        assert await build.log.ready(len(f"=> Step 1: {LINES[0]}\n"))
        one.engine.gate.set()
        for server, response in ((one, first), (other, second)):
            result, log = await join(server, response.image_id)
            assert result.status == result.GENERIC_STATUS_SUCCESS
        assert "(another run does it: waiting for that)" in log
        assert await printed(other, second.image_id, "cat", "/srv/a") == "1\nb\n"
        assert steps(one) + steps(other) == 2


@pytest.mark.asyncio
async def test_a_build_that_is_interrupted_lets_others_do_its_step(folder: Path) -> None:
    async with serve(GatedEngine(), store_layers=True) as server:
        response = await begin(server, "RUN echo begun; hang")
        build = server.app.builder.find(response.image_id)
        assert build is not None
        assert await build.log.ready(len("=> Step 1: RUN echo begun; hang\n"))
        await build.cancel()
    assert contents(folder) == 0


# With a real kernel


@pytest_asyncio.fixture
async def locals_() -> AsyncIterator[list[Harness]]:
    """Two runs."""
    try:
        async with AsyncExitStack() as stack:
            yield [
                await stack.enter_async_context(serve(load_engine("local"), store_layers=True))
                for _ in range(2)
            ]
    except EngineUnavailable as error:
        pytest.skip(f"no local engine here: {error.reason}")


@pytest.mark.asyncio
async def test_layers_of_another_run_on_this_machine(locals_: list[Harness], folder: Path) -> None:
    lines = [f"RUN echo {n} > /srv/{n}; rm -f /srv/{n - 2}" for n in range(5)]
    seen, expected = "ls /srv; cat /srv/c; cat /srv/4", "3\n4\nc\ncopied\n4\n"
    for server in locals_:
        images = server.app.state.images
        context = await mount(server, {"/c": b"copied\n"})
        image_id = await built(server, *lines, "COPY c /srv/", context_mount_id=context)
        layered = images.get(image_id)
        assert await printed(server, image_id, "sh", "-c", seen) == expected
        # Now that it is used, the layers become one, for this run and for later ones.
        await asyncio.gather(*server.app.builder.flattener.running)
        assert await printed(server, image_id, "sh", "-c", seen) == expected
        if server is locals_[0]:
            flat = images.get(image_id)
            assert flat.snapshot_id != layered.snapshot_id
            await server.app.state.snapshot_store.forget(flat.snapshot_id)
            assert images.get(image_id) is layered
            assert await printed(server, image_id, "sh", "-c", seen) == expected
            await server.app.builder.close()
    assert len(stored_files(folder / "keys")) == 6
