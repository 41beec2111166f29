"""`add_python` of Modal's clients: files that they find by a name, of an interpreter of uv's."""

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from grpclib import Status

from pytest_sandbox._proto import volumes_pb2
from pytest_sandbox.engine import EngineInfo

from .building import built, printed
from .engines import GatedEngine
from .harness import Harness, refused, serve

pytestmark = pytest.mark.asyncio

#: What clients ask for with `add_python="3.12"`, and with a builder that came before `bin/python`.
NAME, OLD_NAME = (f"python-build-standalone.{date}.3.12.1-gnu" for date in (20261021, 20240107))
COPY = "COPY /python/. /usr/local"


class AnyImageEngine(GatedEngine):
    """Its sandboxes could have the files of any image, and so need those of an interpreter."""

    async def start(self) -> EngineInfo:
        return replace(await super().start(), one_image=False)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Harness]:
    async with serve(AnyImageEngine()) as harness:
        yield harness


@pytest.fixture
def pythons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("UV_PYTHON_INSTALL_DIR", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path / "uv" / "python"


def install(pythons: Path, version: str, *, build: str = "", platform: str = "") -> None:
    """An interpreter that looks like one of uv's."""
    platform = platform or f"linux-{os.uname().machine}-gnu"
    folder = pythons / f"cpython-{version}{build}-{platform}"
    library = folder / "lib" / "python3.12"
    (library / "__pycache__").mkdir(parents=True)
    (library / "__pycache__" / "os.pyc").write_bytes(b"x")
    (library / "EXTERNALLY-MANAGED").write_text("of uv")
    (library / "os.py").write_text(version + build)
    (folder / "bin").mkdir()
    (folder / "bin" / "python3").write_text("a program")
    (folder / "bin" / "python3").chmod(0o755)
    (folder / "bin" / "python").symlink_to("python3")
    (folder / "bin" / "gone").symlink_to("nowhere")


async def mount(server: Harness, name: str) -> str:
    request = volumes_pb2.MountGetOrCreateRequest(deployment_name=name)
    return (await server.control.MountGetOrCreate(request)).mount_id


async def test_the_newest_of_its_series_is_copied(server: Harness, pythons: Path) -> None:
    install(pythons, "3.12.9")
    install(pythons, "3.12.10")
    install(pythons, "3.13.1")
    install(pythons, "3.12.11", build="+freethreaded")
    install(pythons, "3.12.12", platform="linux-other-gnu")
    (pythons / "cpython-3.12.13-linux-x86_64-gnu").symlink_to(pythons)

    image_id = await built(server, COPY, context_mount_id=await mount(server, NAME))

    library = await printed(server, image_id, "sh", "-c", "cd /usr/local/lib/python3.12; ls; cat *")
    assert library == "os.py\n3.12.10"
    programs = (await printed(server, image_id, "ls", "-l", "/usr/local/bin")).splitlines()[1:]
    assert [(line.split()[0], line.split()[-1]) for line in programs] == [
        ("-rwxr-xr-x", "python"),
        ("-rwxr-xr-x", "python3"),
    ]


async def test_where_a_client_makes_the_link_itself_there_is_none(
    server: Harness, pythons: Path
) -> None:
    install(pythons, "3.12.9")

    link = "RUN ln -s /usr/local/bin/python3 /usr/local/bin/python"
    image_id = await built(server, COPY, link, context_mount_id=await mount(server, OLD_NAME))

    assert await printed(server, image_id, "cat", "/usr/local/bin/python") == "a program"


async def test_one_without_the_lock_is_another(server: Harness, pythons: Path) -> None:
    install(pythons, "3.12.11", build="+freethreaded")
    free = "python-build-standalone.20261021.3.12.1t-gnu"

    assert await mount(server, free) == await mount(server, free)
    with refused(Status.FAILED_PRECONDITION, "add_python='3.12' ", "uv python install 3.12`"):
        await mount(server, NAME)


async def test_what_to_type_if_there_is_none(server: Harness, pythons: Path) -> None:
    words = (f"in {pythons}: `uv python install 3.12`", "python:3.12-slim")
    with refused(Status.FAILED_PRECONDITION, "add_python='3.12' ", *words):
        await mount(server, NAME)


async def test_uv_may_have_another_folder(
    server: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "own"))
    install(tmp_path / "own", "3.12.9")

    assert (await mount(server, NAME)).startswith("mo-")


async def test_where_no_program_of_an_image_runs_none_is_needed(pythons: Path) -> None:
    async with serve() as server:
        image_id = await built(server, COPY, context_mount_id=await mount(server, NAME))
        assert await printed(server, image_id, "ls", "/usr/local/bin") == "python3.12\n"


async def test_other_names_are_refused(server: Harness) -> None:
    with refused(Status.UNIMPLEMENTED, "'modal-other-mount'", "Image.add_local_dir"):
        await mount(server, "modal-other-mount")


async def test_the_code_of_a_client_is_no_files(server: Harness) -> None:
    mount_id = await mount(server, "modal-client-mount-1.6.4")
    assert server.app.state.local_files.get(mount_id).files == ()
