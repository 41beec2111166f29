"""An engine that is killed in the middle of a call: one clear error, and never a hang."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox._run import Run
from pytest_sandbox.client import Client, Sandbox, exceptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def doomed() -> Iterator[tuple[Client, Callable[[], None]]]:
    """A client of an engine of its own, and what kills that."""
    run = Run.create()
    server = run.start()
    client = Client(server.socket)
    yield client, lambda: os.kill(server.pid, signal.SIGKILL)
    client.close()
    run.close()


USES: dict[str, Callable[[Sandbox], object]] = {
    "wait": lambda sandbox: sandbox.wait(),
    "run": lambda sandbox: sandbox.run("sleep", "60"),
    "wait for a command": lambda sandbox: sandbox.exec("sleep", "60").wait(),
    "read": lambda sandbox: sandbox.exec("sleep", "60").stdout.read(),
    "iterate": lambda sandbox: list(sandbox.stdout),
    "watch": lambda sandbox: list(sandbox.watch("/tmp")),
    "watch the filesystem": lambda sandbox: list(sandbox.filesystem.watch("/tmp")),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_call_under_way_ends_with_the_engine(
    doomed: tuple[Client, Callable[[], None]], use: Callable[[Sandbox], object]
) -> None:
    client, kill = doomed
    sandbox = Sandbox.create("sleep", "600", client=client)
    outcome: list[Any] = []

    def work() -> None:
        try:
            outcome.append(use(sandbox))
        except exceptions.Error as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    kill()
    thread.join(30)

    assert [type(each) for each in outcome] == [exceptions.EngineDiedError]
    assert client.channels.server.path in str(outcome[0])  # type: ignore[attr-defined]


def test_every_call_afterwards_says_so(doomed: tuple[Client, Callable[[], None]]) -> None:
    client, kill = doomed
    sandbox = Sandbox.create(client=client)
    process = sandbox.exec("cat")
    process.stdin.write("word")
    kill()

    uses: tuple[Callable[[], object], ...] = (
        sandbox.poll,
        sandbox.terminate,
        process.poll,
        process.wait,
        process.stdin.drain,
        process.stdout.read,
        lambda: Sandbox.create(client=client),
        lambda: sandbox.ls("/"),
        lambda: sandbox.filesystem.read_text("/etc/hosts"),
    )
    for use in uses:
        with pytest.raises(exceptions.EngineDiedError):
            use()
