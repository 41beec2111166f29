"""What the engine process leaves out of its start, for which each first test of a run waits."""

import subprocess
import sys

import pytest

from pytest_sandbox._proto import images_pb2
from pytest_sandbox.local.engine.links import zygote_process

from .harness import Harness

#: What few runs need: HTTP to registries, archives, certificates, other engines, further areas of
#: the server.
LATE = (
    *("http.client", "email", "zipfile", "importlib.metadata", "trustme", "cryptography", "jwt"),
    *("difflib", "tarfile", "fractions", "pytest_sandbox.images.reference"),
    *("pytest_sandbox.images.registry", "pytest_sandbox.client", "pytest_sandbox.fakes"),
    *("pytest_sandbox.gpus.lease", "pytest_sandbox.local.engine.images.local_images"),
    "pytest_sandbox.local.engine.snapshots.memory_dump",
    *(f"pytest_sandbox.server.{part}" for part in ("builds", "volumes", "v1", "v2", "own")),
    *(f"pytest_sandbox.server.{part}" for part in ("files", "networks", "registries")),
)
#: What our own client sends for it.
HOST = "FROM host"
#: What the process imports until it is ready, besides what other packages do.
START = """
import sys
import pytest_sandbox.server.__main__
print([name for name in ("asyncio", "grpclib", "google") if name in sys.modules])
import pytest_sandbox.server.process
from pytest_sandbox.server import Application, Listeners
from pytest_sandbox.local import LocalEngine
"""


def run(code: str) -> list[str]:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_what_few_runs_need_is_not_imported() -> None:
    before, late, ours = run(
        f"{START}print([name for name in {LATE} if name in sys.modules]);"
        "print(sum(name.startswith('pytest_sandbox') for name in sys.modules))"
    )

    assert before == "[]"  # before the zygote starts
    assert late == "[]"
    assert int(ours) <= 250


def test_a_zygote_that_was_started_ahead_is_taken_once() -> None:
    zygote_process.start_ahead()
    ahead, another = zygote_process.started(), zygote_process.started()
    try:
        assert ahead.pid != another.pid
    finally:
        ahead.give_up()
        another.give_up()


async def image_of(server: Harness, *lines: str) -> str:
    request = images_pb2.ImageGetOrCreateRequest(image=images_pb2.Image(dockerfile_commands=lines))
    return (await server.control.ImageGetOrCreate(request)).image_id


@pytest.mark.asyncio
async def test_the_host_image_is_found_without_reading_its_definition(server: Harness) -> None:
    host = await image_of(server, HOST)
    assert "builder" not in vars(server.app._servicers)

    read = [await image_of(server, *lines) for lines in (["# read", HOST], [HOST])]
    other = await image_of(server, HOST, "ENV A=1")

    assert read == [host, host] != [host, other]
    assert await image_of(server, HOST) == host


@pytest.mark.asyncio
async def test_an_image_that_is_read_first_is_the_same_host_image(server: Harness) -> None:
    read = await image_of(server, "# read", HOST)

    assert await image_of(server, HOST) == read
