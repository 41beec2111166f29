"""Use, however heavy or interrupted, leaves the engine process as it was."""

import asyncio
import os
from collections.abc import Callable
from typing import Any

import pytest

from pytest_sandbox import Client, Sandbox, exceptions

pytestmark = pytest.mark.usefixtures("nothing_is_left")

Machine = Any  # of conftest.py
Until = Callable[[Callable[[], bool]], None]

MIB = 2**20
#: Seconds after which a call is given up.
MOMENTS = [milliseconds / 1000 for milliseconds in range(0, 40, 2)]


def test_sandboxes_of_every_use(client: Client) -> None:
    for _ in range(3):
        sandbox = Sandbox.create(client=client)
        process = sandbox.exec("cat")
        process.stdin.write(b"x" * 100_000)
        process.stdin.write_eof()
        process.stdin.drain()
        assert len(process.stdout.read()) == 100_000
        sandbox.run("sh", "-c", "seq 200000; seq 200000 >&2")
        sandbox.exec("sh", "-c", "sleep 1000 & cat", pty=True)
        sandbox.filesystem.write_text("x", "/tmp/f")
        sandbox.open("/tmp/f", "r").read()  # and never closed
        next(iter(sandbox.filesystem.watch("/tmp", timeout=1)), None)
        sandbox.terminate()
        sandbox.wait(raise_on_termination=False)


def test_sandboxes_that_end_by_themselves(client: Client) -> None:
    for code in range(10):
        sandbox = Sandbox.create("sh", "-c", f"sleep 1000 & exit {code}", client=client)
        sandbox.wait()
        assert sandbox.returncode == code


def test_sandboxes_that_could_not_be_created(client: Client) -> None:
    for _ in range(10):
        with pytest.raises(exceptions.InvalidError):
            Sandbox.create("no-such-command", client=client)


@pytest.mark.asyncio
async def test_sandboxes_whose_creation_was_given_up(client: Client) -> None:
    """Cancelled at moments spread over its length."""
    for moment in MOMENTS:
        creation = asyncio.ensure_future(Sandbox.create.aio("sleep", "1000", client=client))
        await asyncio.wait([creation], timeout=moment)
        if not creation.cancel():
            await creation.result().terminate.aio()


@pytest.mark.asyncio
async def test_commands_that_were_given_up(client: Client) -> None:
    """Cancelled at moments spread over their length."""
    sandbox = await Sandbox.create.aio(client=client)
    for moment in MOMENTS:
        run = asyncio.ensure_future(sandbox.run.aio("sh", "-c", "seq 100000; cat", input="x"))
        await asyncio.wait([run], timeout=moment)
        run.cancel()
    assert (await sandbox.run.aio("echo", "fine")).stdout == "fine\n"
    await sandbox.terminate.aio()


@pytest.mark.asyncio
async def test_fifty_at_once(client: Client) -> None:
    async def one(number: int) -> str:
        sandbox = await Sandbox.create.aio(client=client)
        try:
            return (await sandbox.run.aio("echo", str(number))).stdout
        finally:
            await sandbox.terminate.aio()

    seen = await asyncio.gather(*(one(number) for number in range(50)))
    assert seen == [f"{number}\n" for number in range(50)]


def test_much_output_passes_through_bounded_memory(machine: Machine, client: Client) -> None:
    sandbox = Sandbox.create(client=client)
    process = sandbox.exec("head", "-c", str(256 * MIB), "/dev/zero", text=False)
    mine, server = (machine.resident(pid) for pid in forget_peaks(machine))

    size = sum(len(chunk) for chunk in process.stdout)

    assert (size, process.wait()) == (256 * MIB, 0)
    after_mine, after_server = (machine.resident(pid) for pid in pids(machine))
    assert after_mine - mine < 64 * MIB
    assert after_server - server < 64 * MIB
    sandbox.terminate()
    sandbox.wait(raise_on_termination=False)


def test_much_input_passes_through_bounded_memory(machine: Machine, client: Client) -> None:
    sandbox = Sandbox.create(client=client)
    process = sandbox.exec("wc", "-c")
    mine, server = (machine.resident(pid) for pid in forget_peaks(machine))

    for _ in range(150):
        process.stdin.write(bytes(MIB))
        process.stdin.drain()
    process.stdin.write_eof()
    process.stdin.drain()

    assert process.stdout.read() == f"{150 * MIB}\n"
    after_mine, after_server = (machine.resident(pid) for pid in pids(machine))
    assert after_mine - mine < 64 * MIB
    assert after_server - server < 64 * MIB
    sandbox.terminate()
    sandbox.wait(raise_on_termination=False)


def test_the_output_of_what_ended_is_kept_within_bounds(
    machine: Machine, client: Client, until: Until
) -> None:
    for _ in range(8):
        sandbox = Sandbox.create("head", "-c", str(63 * MIB), "/dev/zero", client=client)
        sandbox.wait()

    until(lambda: machine.kept() <= 320 * MIB)
    assert sandbox.stdout.read() == "\0" * 63 * MIB  # the newest is among what is kept


def test_the_output_of_commands_that_ended_is_kept_within_bounds(
    machine: Machine, client: Client, until: Until
) -> None:
    before = machine.kept()
    sandbox = Sandbox.create(client=client)
    for _ in range(16):
        sandbox.exec("head", "-c", str(63 * MIB), "/dev/zero").wait()

    until(lambda: machine.kept() - before <= 640 * MIB)
    sandbox.terminate()
    sandbox.wait(raise_on_termination=False)


def pids(machine: Machine) -> tuple[int, int]:
    return os.getpid(), machine.server.pid


def forget_peaks(machine: Machine) -> tuple[int, int]:
    for pid in pids(machine):
        machine.forget_peak(pid)
    return pids(machine)
