"""A keyword that does not exist is refused with the one that was meant."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox import Sandbox, Volume

if TYPE_CHECKING:
    from pytest_sandbox.inmemory import FakeSandboxes

VOLUME: Any = Volume  # type checkers know its keywords


@pytest.fixture
def sandbox(fake_sandboxes: FakeSandboxes) -> Sandbox:
    return Sandbox.create()


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("cwd", "did you mean 'workdir'?"),
        ("enviroment", "did you mean 'env'?"),
        ("environment", "did you mean 'env'?"),
        ("envs", "did you mean 'env'?"),
        ("time_out", "did you mean 'timeout'?"),
        ("tty", "did you mean 'pty'?"),
        ("shell", "'bash', '-c', 'COMMAND'"),
        ("capture_output", "output is always captured"),
        ("input", r"run\(..., input=...\)"),
        ("check", r"run\(..., check=True\)"),
        ("anything", "it takes bufsize, env, pty, "),
    ],
)
def test_of_exec(sandbox: Sandbox, given: str, meant: str) -> None:
    arguments: dict[str, Any] = {given: 1}
    with pytest.raises(TypeError, match=rf"exec\(\) got an unexpected .* '{given}'; .*{meant}"):
        sandbox.exec("ls", **arguments)
    with pytest.raises(TypeError, match=meant):
        asyncio.run(sandbox.exec.aio("ls", **arguments))


@pytest.mark.parametrize(
    ("call", "meant"),
    [
        (lambda it: it.run("ls", stdin="x"), "did you mean 'input'"),
        (lambda it: it.create(cpus=2), "did you mean 'cpu'"),
        (lambda it: it.create(mem=2), "did you mean 'memory'"),
        (lambda it: it.create(ports=[80]), "did you mean 'unencrypted_ports'"),
        (lambda it: it.create(mounts={}), "did you mean 'volumes'"),
        (lambda it: it.list(tag={}), "did you mean 'tags'"),
        (lambda it: it.mkdir("/x", exist_ok=True), "did you mean 'parents'"),
        (lambda it: it.filesystem.read_text(path="/x"), "did you mean 'remote_path'"),
        (lambda it: it.open(file="/x"), "it takes mode, path"),
        (lambda it: it.filesystem.remove("/x", recurse=True), "did you mean 'recursive'"),
        (lambda it: it.filesystem.watch("/x", time=1), "did you mean 'timeout'"),
        (lambda it: it.exec("ls").wait(timeout=1), "it takes none"),
        (lambda it: it.exec("ls").stdout.read(5, size=1), "it takes none"),
        (lambda it: VOLUME.from_name("x").hydrate(clients=1), "did you mean 'client'"),
        (lambda it: VOLUME.delete("x", clients=1), "did you mean 'client'"),
    ],
)
def test_of_other_methods(sandbox: Sandbox, call: Any, meant: str) -> None:
    with pytest.raises(TypeError, match=meant):
        call(sandbox)


def test_of_the_factory(sandbox_factory: Any) -> None:
    with pytest.raises(TypeError, match="did you mean 'workdir'"):
        sandbox_factory(cwd="/tmp")
