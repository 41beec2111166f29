"""When a part is killed, calls end with the documented exception, and the kernel clears up."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_sandbox import Client, Sandbox, exceptions
from pytest_sandbox._run import EngineStartError, Run

Until = Callable[[Callable[[], bool]], None]
Machine = Any  # of conftest.py


class Call:
    """A blocking call in a thread, and what became of it."""

    def __init__(self, name: str, call: Callable[[], object]) -> None:
        self._name = name
        self._call = call
        self.result: object = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.result = self._call()
        except BaseException as error:
            self.error = error

    def end(self) -> "Call":
        self._thread.join(30)
        assert not self._thread.is_alive(), f"this hangs: {self._name}"
        return self


def pending_calls(sandbox: Sandbox) -> dict[str, Call]:
    """A call of every kind that waits, under way."""
    process, writer = sandbox.exec("sleep", "1000"), sandbox.exec("sleep", "1000")
    started = sandbox.exec("sh", "-c", "echo ready; sleep 1000")
    reader = iter(started.stdout)
    assert next(reader) == "ready\n"

    def write() -> None:
        for _ in range(100):
            writer.stdin.write(bytes(2**20))
            writer.stdin.drain()

    calls: dict[str, Callable[[], object]] = {
        "wait for a command": process.wait,
        "read": lambda: list(reader),
        "write": write,
        "wait for the sandbox": lambda: sandbox.wait(raise_on_termination=False),
        "watch": lambda: list(sandbox.filesystem.watch("/tmp", timeout=600)),
        "run": lambda: sandbox.run("sleep", "1000"),
    }
    return {name: Call(name, call) for name, call in calls.items()}


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
def fresh(machine: Machine) -> Iterator[Machine]:
    """An engine process for one test, which may break it."""
    run = Run.create()
    yield type(machine)(run, run.start("local"))
    run.close()


@pytest.fixture
def fresh_client(fresh: Machine) -> Iterator[Client]:
    client = Client(fresh.server.socket)
    yield client
    client.close()


@pytest.mark.usefixtures("nothing_is_left")
def test_the_death_of_an_agent_ends_its_sandbox_and_no_other(
    machine: Machine, client: Client
) -> None:
    sandbox = Sandbox.create(client=client)
    agent = machine.agent()
    other = Sandbox.create(client=client)
    calls = pending_calls(sandbox)

    os.kill(agent, signal.SIGKILL)

    outcomes = {name: call.end() for name, call in calls.items()}
    assert outcomes["wait for a command"].result == 137
    assert outcomes["read"].result == []
    assert isinstance(outcomes["write"].error, exceptions.StdinClosedError)
    documented = (exceptions.Error, OSError)
    for name in ("wait for the sandbox", "watch", "run"):
        error = outcomes[name].error
        assert error is None or isinstance(error, documented), f"{name}: {error!r}"
    with pytest.raises(exceptions.NotFoundError):
        sandbox.exec("true")
    assert sandbox.poll() is not None
    assert other.run("echo", "alive").stdout == "alive\n"
    other.terminate()
    other.wait(raise_on_termination=False)


def test_the_death_of_the_zygote_ends_every_call_and_every_sandbox(
    fresh: Machine, fresh_client: Client, until: Until
) -> None:
    sandboxes = [Sandbox.create(client=fresh_client) for _ in range(5)]
    calls = pending_calls(sandboxes[0])
    zygote, family = fresh.zygote(), fresh.family()
    family.remove(fresh.server.pid)

    os.kill(zygote, signal.SIGKILL)

    for call in calls.values():
        call.end()
    for sandbox in sandboxes:
        sandbox.wait(raise_on_termination=False)
        with pytest.raises(exceptions.NotFoundError):
            sandbox.exec("true")
    with pytest.raises(exceptions.Error) as caught:
        Sandbox.create(client=fresh_client)
    assert not isinstance(caught.value, exceptions.InternalError)
    until(lambda: not any(alive(pid) for pid in family))


def test_the_death_of_the_engine_ends_every_call(
    fresh: Machine, fresh_client: Client, until: Until
) -> None:
    sandboxes = [Sandbox.create("sleep", "1000", client=fresh_client) for _ in range(5)]
    calls = pending_calls(sandboxes[0])
    family = fresh.family()
    assert len(family) > 10

    os.kill(fresh.server.pid, signal.SIGKILL)

    for name, call in calls.items():
        assert isinstance(call.end().error, exceptions.EngineDiedError), f"{name}: {call.error!r}"
    for after in (
        lambda: Sandbox.create(client=fresh_client),
        lambda: sandboxes[0].exec("true"),
        lambda: sandboxes[0].wait(),
        lambda: sandboxes[0].terminate(),
        lambda: sandboxes[0].filesystem.list_files("/"),
    ):
        with pytest.raises(exceptions.EngineDiedError):
            after()
    until(lambda: not any(alive(pid) for pid in family))
    with pytest.raises(EngineStartError, match="died"):
        fresh.run.start("local")


def test_a_killed_engine_leaves_nothing_once_its_run_is_closed(
    fresh: Machine, fresh_client: Client, until: Until, mounted: Callable[[], set[str]]
) -> None:
    for _ in range(3):
        Sandbox.create("sleep", "1000", client=fresh_client)
    until(lambda: len(fresh.children(fresh.zygote())) == 4)  # with one that was made ahead
    family, mounts = fresh.family(), mounted()
    groups = fresh.leftovers().cgroups

    os.kill(fresh.server.pid, signal.SIGKILL)
    until(lambda: not any(alive(pid) for pid in family))
    fresh.run.close()

    assert not fresh.run.directory.exists()
    assert mounted() == mounts
    # Groups have no owner who could take them along: the next engine removes those it finds.
    run = Run.create()
    run.start("local")
    run.close()
    assert [group for group in groups if os.path.exists(group)] == []


def test_a_terminated_engine_ends_calls_and_leaves_nothing(
    fresh: Machine, fresh_client: Client, until: Until
) -> None:
    sandbox = Sandbox.create(client=fresh_client)
    calls = pending_calls(sandbox)
    family = fresh.family()

    os.kill(fresh.server.pid, signal.SIGTERM)

    for call in calls.values():
        call.end()
    until(lambda: not any(alive(pid) for pid in family))
    until(lambda: not fresh.run.directory.exists() or not os.listdir(fresh.run.directory))


def test_an_engine_whose_owner_is_gone_ends_and_leaves_nothing(
    fresh: Machine, fresh_client: Client
) -> None:
    for _ in range(5):
        Sandbox.create("sleep", "1000", client=fresh_client)
    family, groups = fresh.family(), fresh.leftovers().cgroups

    fresh.run.close()

    assert not any(alive(pid) for pid in family)
    assert not fresh.run.directory.exists()
    assert [group for group in groups if os.path.exists(group)] == []
