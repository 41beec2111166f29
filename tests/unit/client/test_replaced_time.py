"""Time-outs in tests that freeze time, or travel in it: they are those of the machine."""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import freezegun
import pytest
import time_machine

from pytest_sandbox._run import Run
from pytest_sandbox._run.processes import start_time, wait_until_gone
from pytest_sandbox._shared import real
from pytest_sandbox.client import Sandbox, exceptions
from pytest_sandbox.client.transport.portal import portal
from pytest_sandbox.inmemory import FakeSandboxes
from pytest_sandbox.plugin.templates.store import locked_outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    Replaced = Callable[[], AbstractContextManager[object]]

#: When a test says it is, long before and long after it runs.
PAST, FUTURE = "2001-02-03", "2100-01-01"
TOUCHED = datetime(2020, 2, 3, 4, 5, tzinfo=timezone.utc).timestamp()
WAYS: dict[str, Replaced] = {
    "freezegun": lambda: freezegun.freeze_time(PAST),
    "freezegun, ticking": lambda: freezegun.freeze_time(FUTURE, tick=True),
    "freezegun, real asyncio": lambda: freezegun.freeze_time(PAST, real_asyncio=True),
    "time-machine": lambda: time_machine.travel(PAST, tick=False),
    "time-machine, ticking": lambda: time_machine.travel(FUTURE),
}


@pytest.fixture(params=WAYS)
def replaced(request: pytest.FixtureRequest) -> Replaced:
    return WAYS[request.param]


def test_a_command_times_out(replaced: Replaced, sandbox: Sandbox) -> None:
    with replaced():
        with pytest.raises(exceptions.CommandTimeoutError):
            sandbox.run("sleep", "100", timeout=1)
        assert sandbox.exec("sleep", "100", timeout=1).wait() == -1
        assert sandbox.run("echo", "hi", timeout=60).stdout == "hi\n"


def test_a_wait_that_began_before_does_not_time_out(replaced: Replaced, sandbox: Sandbox) -> None:
    codes: list[int] = []
    process = sandbox.exec("cat", timeout=100)
    thread = threading.Thread(target=lambda: codes.append(process.wait()))
    thread.start()
    time.sleep(0.2)

    with replaced():
        time.sleep(0.2)
        process.stdin.write_eof()
        process.stdin.drain()
        thread.join()

    assert codes == [0]


def test_timers_of_the_client_run(replaced: Replaced) -> None:
    async def too_long() -> None:
        await asyncio.wait_for(asyncio.sleep(100), 0.05)

    with replaced(), pytest.raises(asyncio.TimeoutError):
        portal().run(too_long)


def test_the_clock_is_that_of_the_machine(replaced: Replaced, tmp_path: Path) -> None:
    with replaced():
        (tmp_path / "now").touch()
        now = real.now()
        start = real.monotonic()
        time.sleep(0.01)
        passed = real.monotonic() - start

    assert abs((tmp_path / "now").stat().st_mtime - now) < 1
    assert 0.01 <= passed < 10


def test_now_is_as_exact_as_that_of_the_standard_library() -> None:
    before, now, after = time.time(), real.now(), time.time()

    assert before - 0.001 < now < after + 0.001


def test_tokens_do_not_expire_in_the_future(replaced: Replaced, sandbox: Sandbox) -> None:
    token = sandbox._task._token

    with replaced():
        assert sandbox.run("true").returncode == 0

    assert sandbox._task._token == token


def test_an_engine_starts_and_ends(replaced: Replaced) -> None:
    with replaced():
        run = Run.create()
        assert run.start().is_alive
        run.close()

    assert not run.directory.exists()


def test_waits_for_other_processes_end(replaced: Replaced, tmp_path: Path) -> None:
    with replaced():
        assert not wait_until_gone(os.getpid(), start_time(os.getpid()), 0.05)

        with (tmp_path / "key").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with (
                pytest.raises(TimeoutError, match="another worker"),
                locked_outcome(tmp_path, "key", 0.05),
            ):
                pass


def test_in_memory_time_is_virtual_anyway(replaced: Replaced) -> None:
    with FakeSandboxes() as fake, replaced():
        sandbox = Sandbox.create(timeout=100)
        assert sandbox.exec("sleep", "60", timeout=10).wait() == -1
        sandbox.run("touch", "-t", "202002030405", "/f", check=True)
        assert sandbox.filesystem.stat("/f").modified_time == TOUCHED
        with pytest.raises(exceptions.SandboxTimeoutError):
            sandbox.wait()
        assert fake.clock.monotonic() == pytest.approx(100)
