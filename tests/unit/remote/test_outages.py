"""Runs whose network fails, with the times that users have: in virtual time, none of them waits."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox.engine import (
    EndCause,
    EngineUnavailable,
    ProcessSpec,
    SystemClock,
    TaskLost,
    TaskSpec,
    UnknownImage,
)
from pytest_sandbox.fakes import FakeEngine
from pytest_sandbox.remote.link import far as far_module

from .outages import Machine, in_virtual_time

if TYPE_CHECKING:
    from pytest_sandbox.engine import Process

COUNT = "for n in 1 2 3 4 5 6 7 8 9 10; do echo $n; echo x >> /root/ran; sleep 1; done"
ALL = "".join(f"{number}\n" for number in range(1, 11)).encode()


def machine() -> Machine:
    return Machine(lambda: FakeEngine(clock=SystemClock()))


def now() -> float:
    return asyncio.get_running_loop().time()


async def output(process: Process) -> bytes:
    return b"".join([part async for part in process.stdout.follow()])


def test_no_time_passes_while_a_thread_works() -> None:
    """As when a session begins, and the far side looks at its machine."""

    async def main() -> None:
        await asyncio.to_thread(time.sleep, 0.01)
        assert now() < 1

    in_virtual_time(main())


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "silent"])
def test_a_link_that_drops_for_five_seconds_is_only_a_pause(
    reset: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        far = machine()
        async with far.run(monkeypatch) as engine:
            task = await engine.create(TaskSpec())
            process = await task.exec(ProcessSpec(("sh", "-c", COUNT)))
            reading = asyncio.ensure_future(output(process))
            await asyncio.sleep(1.5)
            await far.network.outage(5, reset=reset)

            assert await reading == ALL
            assert (await process.wait()).code == 0
            ran = await task.exec(ProcessSpec(("cat", "/root/ran")))
            assert await output(ran) == b"x\n" * 10  # once, and not again
            assert len(far.engines) == 1
            assert far.network.dialled >= 2

    in_virtual_time(main())


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "silent"])
def test_a_link_that_drops_for_a_minute_ends_the_run_at_both_sides(
    reset: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        far = machine()
        async with far.run(monkeypatch) as engine:
            task = await engine.create(TaskSpec())
            process = await task.exec(ProcessSpec(("sleep", "1000")))
            waiting = asyncio.ensure_future(task.wait())
            asking = asyncio.ensure_future(task.files.stat("/"))
            await asking
            outage = asyncio.ensure_future(far.network.outage(60, reset=reset))
            began = now()
            await asyncio.sleep(0)
            asking = asyncio.ensure_future(task.files.stat("/"))

            with pytest.raises(TaskLost, match=r"192\.0\.2\.1.* is gone: .* for 30 s"):
                await asking
            # From the last word on, which pings find out to a second.
            looks = 0 if reset else 1
            assert 30 - looks <= now() - began <= 31 + looks
            assert (await waiting).cause is EndCause.LOST
            assert (await process.wait()).signal == 9
            assert "for 30 s" in str(process.lost)
            await outage
            assert not far.link.sessions
            with pytest.raises(EngineUnavailable, match="is closed"):
                await far.engines[0].create(TaskSpec())
            with pytest.raises(EngineUnavailable, match="for 30 s"):
                await engine.create(TaskSpec())

    in_virtual_time(main())


def test_two_runs_see_their_own_sandboxes_files_and_volumes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        far = machine()
        async with far.run(monkeypatch) as one, far.run(monkeypatch) as other:
            tasks = [await engine.create(TaskSpec()) for engine in (one, other)]
            file = await tasks[0].files.open("/root/mine", 0o102)  # O_RDWR | O_CREAT
            await file.pwrite(0, b"mine")
            with pytest.raises(FileNotFoundError):
                await tasks[1].files.stat("/root/mine")
            snapshot: Any = await tasks[0].snapshot()
            with pytest.raises(UnknownImage, match=snapshot.name):
                await other.create(TaskSpec(image=snapshot))
            await one.close()
            assert tasks[1].poll() is None
            again = await tasks[1].exec(ProcessSpec(("echo", "alive")))
            assert await output(again) == b"alive\n"
            assert far.link.sessions == 1

    in_virtual_time(main())


def test_who_begins_runs_without_end_does_not_shut_others_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(far_module, "MOST_SESSIONS", 4)
    monkeypatch.setattr(far_module, "MOST_OF_ONE", 2)

    async def main() -> None:
        far = machine()
        greedy = [far.run(monkeypatch, host=f"2001:db8::{number}") for number in (1, 2)]
        for each in greedy:
            await each.__aenter__()
        with pytest.raises(EngineUnavailable, match="it serves 2 runs of one address"):
            await far.run(monkeypatch, host="2001:db8::3").__aenter__()
        async with far.run(monkeypatch, host="192.0.2.7") as engine:
            await engine.create(TaskSpec())
            async with far.run(monkeypatch, host="192.0.2.8"):
                with pytest.raises(EngineUnavailable, match="it serves 4 runs, and no more"):
                    await far.run(monkeypatch, host="192.0.2.9").__aenter__()
        for each in greedy:
            await each.__aexit__(None, None, None)
        async with far.run(monkeypatch, host="2001:db8::3"):
            assert far.link.sessions == 1

    in_virtual_time(main())
