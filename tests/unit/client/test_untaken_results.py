"""What a call has made is undone if its caller gives up while the result is on its way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import trio
import trio.testing

from pytest_sandbox import Sandbox, Volume
from pytest_sandbox.client.transport.portal import portal
from pytest_sandbox.inmemory import FakeSandboxes

from .interrupts import interrupted_everywhere

Coro = Coroutine[Any, Any, object]
GiveUp = Callable[[Callable[[], Coro]], None]


class Ephemeral:
    """Makes a volume, as an `async with` or a `with` does."""

    def __call__(self) -> object:
        return Volume.ephemeral().__enter__()

    async def aio(self) -> object:
        return await Volume.ephemeral().__aenter__()


class Call:
    """A call with its arguments, by either face."""

    def __init__(self, call: Any, *args: Any) -> None:
        self._call = call
        self._args = args

    def __call__(self) -> object:
        return self._call(*self._args)

    async def aio(self) -> object:
        return await self._call.aio(*self._args)


#: A call that makes something, given a sandbox; the RPC that makes it; and the one that undoes it.
MADE: dict[str, tuple[Callable[[Sandbox], Any], str, str]] = {
    "create": (lambda _: Call(Sandbox.create), "SandboxCreate", "SandboxTerminate"),
    "exec": (lambda sandbox: Call(sandbox.exec, "sleep", "9"), "TaskExecStart", "ExecKill"),
    "open": (
        lambda sandbox: Call(sandbox.open, "/etc/passwd"),
        "ContainerFilesystemExec",  # both open and close, so their number is even
        "ContainerFilesystemExec",
    ),
    "snapshot": (
        lambda sandbox: Call(sandbox.snapshot_filesystem),
        "SandboxSnapshotFs",
        "ImageForget",
    ),
    "snapshot of a directory": (
        lambda sandbox: Call(sandbox.snapshot_directory, "/tmp"),
        "TaskSnapshotDirectory",
        "ImageForget",
    ),
    "ephemeral volume": (lambda _: Ephemeral(), "VolumeGetOrCreate", "VolumeDelete"),
}


@pytest.fixture
def fake() -> Iterator[FakeSandboxes]:
    with FakeSandboxes() as fake:
        yield fake


@pytest.fixture
def sandbox(fake: FakeSandboxes) -> Sandbox:
    return Sandbox.create()


def settled() -> None:
    """Return once everything on the portal's loop waits."""
    portal().run(portal()._loop.settled)


@contextmanager
def held() -> Iterator[None]:
    """Calls of the block wait for its end, and then run to theirs."""
    gate = threading.Event()
    portal().call_soon(gate.wait)
    try:
        yield
    finally:
        gate.set()
    settled()


def before_it_arrives(call: Callable[[], Coro]) -> None:
    async def main() -> None:
        with held():
            task = asyncio.ensure_future(call())
            await asyncio.sleep(0)
        # This loop has stood still meanwhile.
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()

    asyncio.run(main())


def when_it_has_arrived(call: Callable[[], Coro]) -> None:
    """The future of the caller's loop is done, and the caller has not had its turn yet."""

    async def main() -> None:
        with held():
            task = asyncio.ensure_future(call())
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()

    asyncio.run(main())


def when_its_loop_has_ended(call: Callable[[], Coro]) -> None:
    """The caller is not cancelled, but dropped with its loop."""
    loop = asyncio.new_event_loop()
    coroutine = call()
    with held():
        task = loop.create_task(coroutine)
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio would log it
    del task
    coroutine.close()


def before_it_arrives_in_trio(call: Callable[[], Coro]) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            with held():
                nursery.start_soon(call)
                await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()

    trio.run(main)


@pytest.mark.parametrize(
    "give_up",
    [
        before_it_arrives,
        when_it_has_arrived,
        when_its_loop_has_ended,
        before_it_arrives_in_trio,
    ],
)
@pytest.mark.parametrize("name", MADE)
def test_what_was_made_for_a_caller_that_gave_up_is_undone(
    fake: FakeSandboxes, sandbox: Sandbox, name: str, give_up: GiveUp
) -> None:
    made, makes, undoes = MADE[name]

    give_up(made(sandbox).aio)
    settled()

    assert len(fake.rpcs.of(makes).with_status("OK")) >= 1
    assert_undone(fake, makes, undoes)


@pytest.mark.parametrize("name", MADE)
def test_an_interrupt_between_any_two_steps_leaves_nothing(
    fake: FakeSandboxes, sandbox: Sandbox, name: str
) -> None:
    made, makes, undoes = MADE[name]
    call = made(sandbox)
    steps = 0

    for _ in interrupted_everywhere(call, events=("call", "line", "return")):
        settled()
        assert_undone(fake, makes, undoes)
        steps += 1

    assert steps > 20


def assert_undone(fake: FakeSandboxes, makes: str, undoes: str) -> None:
    made, undone = len(fake.rpcs.of(makes)), len(fake.rpcs.of(undoes))
    if makes == undoes:
        assert made % 2 == 0
    else:
        assert made == undone + (makes == "SandboxCreate")  # the fixture's
