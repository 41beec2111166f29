"""What is wrong with a machine is said with its name: there are several."""

import asyncio
import errno
import socket
from typing import Any

import pytest

from pytest_sandbox._shared.kept_errors import to_raise
from pytest_sandbox.engine import (
    EndCause,
    EngineError,
    EngineUnavailable,
    InvalidSpec,
    ProcessSpec,
    SpawnFailed,
    StoreFull,
    TaskEnd,
    TaskSpec,
)
from pytest_sandbox.remote import RemoteEngine
from pytest_sandbox.remote.far.service import FarService
from pytest_sandbox.remote.loopback import Loopback

from .stuck import StuckEngine

HOST = socket.gethostname()
FULL = OSError(errno.ENOSPC, "No space left on device", "/root/f")


class Far:
    """A far side, some of whose calls raise what a test says."""

    def __init__(self, host: str = "") -> None:
        self.stuck = StuckEngine()
        self.made = self.stuck.engine()
        self.connection = Loopback(FarService(lambda _: self.made))
        self.connection.host = host
        self.engine = RemoteEngine(self._connect)

    async def _connect(self) -> Loopback:
        return self.connection

    def fails(self, thing: Any, call: str, error: Exception) -> None:
        async def fail(*_: Any, **__: Any) -> None:
            raise to_raise(error)

        setattr(type(thing), call, fail)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StoreFull("no room for another sandbox"), f"on {HOST}: no room for another sandbox"),
        (EngineUnavailable("its zygote died"), f"on {HOST}: its zygote died"),
        (SpawnFailed(errno.ENOMEM, "cannot fork"), f"on {HOST}: cannot fork"),
        (OSError(errno.EMFILE, "Too many open files"), f"Too many open files on {HOST}"),
        (ZeroDivisionError("oh"), f"the engine failed on {HOST}: ZeroDivisionError: oh"),
        # These are about the call, and would be the same everywhere.
        (InvalidSpec("no command"), "no command"),
        (SpawnFailed(errno.ENOENT, "no such program"), "no such program"),
        (OSError(errno.ENOENT, "No such file or directory"), "No such file or directory"),
    ],
    ids=repr,
)
@pytest.mark.asyncio
async def test_an_error_about_the_machine_has_its_name(error: Exception, said: str) -> None:
    far = Far()
    await far.engine.start()
    far.fails(far.made, "create", error)

    with pytest.raises((EngineError, OSError), match=rf"^(\[.*\] )?{said}$") as caught:
        await far.engine.create(TaskSpec())

    assert getattr(caught.value, "errno", None) == getattr(error, "errno", None)
    await far.connection.end("the test is over")


@pytest.mark.asyncio
async def test_a_full_disk_there_is_one_of_files_output_and_input_too() -> None:
    far = Far()
    await far.engine.start()
    task: Any = await far.engine.create(TaskSpec())
    process = await task.exec(ProcessSpec(("x",)))
    file = await task.files.open("/root/f", 0)
    far.fails(far.stuck.file, "pwrite", FULL)
    far.fails(far.stuck.task.files, "mkdir", FULL)
    far.fails(far.stuck.task, "snapshot", StoreFull("no room for the snapshot"))
    far.fails(far.stuck.process, "write_stdin", FULL)
    await far.stuck.process.stdout.append(b"some")
    far.stuck.process.stdout.fail(StoreFull("output from byte 4 on is lost"))
    far.stuck.process.stdout.close()

    full = rf"^\[Errno 28\] No space left on device on {HOST}: '/root/f'$"
    for call in (file.pwrite(0, b"x"), task.files.mkdir("/root/d"), process.write_stdin(b"x")):
        with pytest.raises(OSError, match=full):
            await call
    with pytest.raises(StoreFull, match=f"^on {HOST}: no room for the snapshot$"):
        await task.snapshot()
    assert await process.stdout.read(0) == b"some"
    with pytest.raises(StoreFull, match=f"^on {HOST}: output from byte 4 on is lost$"):
        await process.stdout.read(4)
    await far.connection.end("the test is over")


@pytest.mark.asyncio
async def test_a_sandbox_whose_agent_died_there_says_where() -> None:
    far = Far()
    ended: asyncio.Future[TaskEnd] = asyncio.get_running_loop().create_future()

    async def wait(_: Any) -> TaskEnd:
        return await ended

    type(far.stuck.task).wait = wait
    await far.engine.start()
    task = await far.engine.create(TaskSpec())
    far.stuck.exits.set()

    ended.set_result(TaskEnd(EndCause.LOST, detail="its agent died"))

    end = await asyncio.wait_for(task.wait(), 20)
    assert end == TaskEnd(EndCause.LOST, detail=f"on {HOST}: its agent died")
    await far.connection.end("the test is over")


@pytest.mark.asyncio
async def test_a_machine_that_others_know_by_a_name_is_called_that() -> None:
    """As the nodes of a cluster are."""
    far = Far("the node n1 of Ray")
    await far.engine.start()
    far.fails(far.made, "create", StoreFull("no room"))
    with pytest.raises(StoreFull, match=r"^on the node n1 of Ray: no room$"):
        await far.engine.create(TaskSpec())
    await far.connection.end("the test is over")
