"""The running Python environment in a sandbox: each has a layer of its own over it."""

import base64
import io
import os
import socket
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pytest_sandbox.engine import Snapshot, TaskSpec
from pytest_sandbox.local import LocalEngine
from pytest_sandbox.local.engine.machine import host_folder, host_image
from pytest_sandbox.local.engine.task import LocalTask

from .conftest import as_somebody, exists, needs_root, python_of_everybody, shell, their_env

PREFIX = os.path.realpath(sys.prefix)
_INFO = "greeting-1.0.dist-info"
_INSTALL = "python3 -m pip install --no-index --disable-pip-version-check -q"


def wheel() -> bytes:
    """A package with a module and a console script."""
    files = {
        "greeting.py": "def main():\n    print('hello from', __file__)\n",
        f"{_INFO}/METADATA": "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n",
        f"{_INFO}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{_INFO}/entry_points.txt": "[console_scripts]\ngreet = greeting:main\n",
    }
    files[f"{_INFO}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{_INFO}/RECORD"])
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return data.getvalue()


async def install(task: LocalTask) -> None:
    encoded = base64.b64encode(wheel()).decode()
    name = "greeting-1.0-py3-none-any.whl"
    done = await shell(task, f"echo {encoded} | base64 -d > {name} && {_INSTALL} ./{name}")
    assert done.code == 0, done.err


async def greeting(task: LocalTask) -> str:
    return (await shell(task, "greet")).out


async def loaded(engine: LocalEngine, snapshot: Snapshot) -> Snapshot:
    """The snapshot, exported and loaded."""
    data = [chunk async for chunk in engine.export(snapshot)]

    async def stream() -> AsyncIterator[bytes]:
        for chunk in data:
            yield chunk

    return await engine.load(stream())


@pytest.mark.asyncio(loop_scope="module")
async def test_what_pip_installs_is_in_snapshots_and_nowhere_else(engine: LocalEngine) -> None:
    task = await engine.create(TaskSpec())
    await install(task)
    said = await greeting(task)
    assert said.startswith("hello from /")
    assert not exists(said.split()[-1])
    copy = await engine.create(TaskSpec(image=await task.snapshot()))
    assert await greeting(copy) == said
    assert await greeting(task) == said
    removed = await shell(copy, "python3 -m pip uninstall -q -y greeting")
    assert removed.code == 0, removed.err
    without = await engine.create(TaskSpec(image=await copy.snapshot(end=True)))
    assert await greeting(without) == ""


@pytest.mark.asyncio
async def test_each_sandbox_has_its_own_layer_over_the_environment_in_each_mode(
    moded: LocalEngine,
) -> None:
    folder = "$(python3 -c 'import sysconfig; print(sysconfig.get_path(\"purelib\"))')"
    look = f"cd {folder} && cat new.py; test -e pluggy || echo removed"
    task = await moded.create(TaskSpec())
    done = await shell(task, f"cd {folder} && echo new > new.py && rm -r pluggy")
    assert done.code == 0, done.err
    other = await moded.create(TaskSpec())
    assert (await shell(other, look)).out == ""
    in_place = await task.snapshot()
    at_end = await task.snapshot(end=True)
    for image in (in_place, at_end, await loaded(moded, at_end)):
        copy = await moded.create(TaskSpec(image=image))
        assert (await shell(copy, look)).out == "new\nremoved\n"


@needs_root
@pytest.mark.asyncio
async def test_what_pip_installs_is_in_memory_snapshots() -> None:
    engine = LocalEngine()
    await engine.start()
    try:
        if (missing := await engine.memory.find_criu()) is not None:
            pytest.skip(missing.reason)
        task = await engine.create(TaskSpec(freezable=True))
        await install(task)
        said = await greeting(task)
        copy = await engine.create(TaskSpec(resume=await task.snapshot_memory()))
        assert await greeting(copy) == said != ""
    finally:
        await engine.close()


#: Runs a shell script in a sandbox, and prints what the engine says of folders, and the output.
RUN = """
import asyncio, sys
from pytest_sandbox.engine import ProcessSpec, TaskSpec
from pytest_sandbox.local import LocalEngine

async def main():
    engine = LocalEngine()
    info = await engine.start()
    print([f"{key}: {why}" for key, why in info.details.items() if sys.prefix in key])
    task = await engine.create(TaskSpec(main=ProcessSpec(("sh", "-c", sys.argv[1]))))
    await task.wait()
    for stream in (task.main.stdout, task.main.stderr):
        print(b"".join([chunk async for chunk in stream.follow()]).decode(), end="")
    await engine.close()

asyncio.run(main())
"""


@needs_root
def test_an_environment_of_another_user_is_read_only_and_the_engine_says_so(
    tmp_path: Path,
) -> None:
    python = python_of_everybody()
    with tempfile.TemporaryDirectory(prefix="environment-", dir="/opt") as folder:
        os.chmod(folder, 0o755)
        subprocess.run([python, "-m", "venv", "--without-pip", f"{folder}/venv"], check=True)
        packages = os.pathsep.join([their_env()["PYTHONPATH"], *filter(None, sys.path)])
        done = subprocess.run(
            [*as_somebody(), f"{folder}/venv/bin/python", "-c", RUN, f"touch {folder}/venv/new"],
            env={**their_env(), "PYTHONPATH": packages},
            cwd="/",
            capture_output=True,
            text=True,
        )
    assert f"read-only: {folder}/venv: it belongs to a user" in done.stdout, done
    assert "Read-only file system" in done.stdout


def test_temporary_files_below_the_environment_do_not_show() -> None:
    """Not even those that are made later: engines have their sockets there."""
    where = "/opt" if os.access("/opt", os.W_OK) else Path.home()
    with tempfile.TemporaryDirectory(prefix="environment-", dir=where) as folder:
        venv, temporary = f"{folder}/venv", f"{folder}/venv/share/tmp"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
        os.makedirs(f"{temporary}/run")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(f"{temporary}/run/socket")
            done = subprocess.run(
                [f"{venv}/bin/python", "-c", RUN, f"ls -A {venv}/share; ls {temporary}"],
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join([their_env()["PYTHONPATH"], *sys.path]),
                    "TMPDIR": temporary,
                },
                capture_output=True,
                text=True,
            )
    assert "No such file" in done.stdout.splitlines()[-1], done
    assert "tmp" not in done.stdout.splitlines()[1:-1]


def test_an_environment_that_is_the_folder_for_temporary_files_does_not_show(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    for name in ("prefix", "exec_prefix", "base_prefix", "base_exec_prefix"):
        monkeypatch.setattr(sys, name, str(tmp_path))
    image = host_image.host_image(root=True)
    assert str(tmp_path) in {*image.left_out, *image.moved.values()}
    assert str(tmp_path) not in [folder.source for folder in image.folders]


def test_an_environment_with_mounts_in_it_is_read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """An overlay would not show them."""
    monkeypatch.setattr(host_image, "mounts_in", lambda folder: [f"{folder}/lib"])
    image = host_image.host_image(root=True)
    assert {each.source: each.layer for each in image.folders}.get(PREFIX) in (None, "never")


def test_mounts_in_a_folder_are_those_below_it() -> None:
    assert "/proc" in host_folder.mounts_in("/")
    assert "/proc" not in host_folder.mounts_in("/proc")
    assert host_folder.mounts_in("/proc/self") == []
