"""What calls of a test say when the machine of its engine is gone in the middle of it."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.support.far_machine import far_machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_sandbox._shared.network.engine_address import RemoteAddress

#: Seconds in which a silent machine counts as gone, from its last word on: it takes 4 to notice.
LEASE = 5

TESTS = """
import asyncio
import os
import signal
from dataclasses import replace
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from pytest_sandbox import Probe, Sandbox, exceptions

#: Five seconds, and as many again for a machine that does much else.
SOON = 10.0


def end_the_machine():
    os.kill(int(os.environ["FAR_PID"]), int(os.environ["FAR_SIGNAL"]))


def error_of(call):
    begin = time.monotonic()
    try:
        result = call()
    except Exception as error:
        return error, time.monotonic() - begin
    return AssertionError(f"returned {result!r}"), 0.0


def test_calls_under_way_and_later_ones(sandbox_factory):
    place, why = os.environ["FAR_PLACE"], os.environ["FAR_WHY"]
    sandbox = sandbox_factory("sleep", "1000", readiness_probe=Probe.with_exec("false"))
    other = sandbox_factory()
    process, polled, third = (sandbox.exec("sleep", "1000") for _ in range(3))

    def aio(make):
        async def call():
            return await make()
        return lambda: asyncio.run(call())

    under_way = {
        "process.wait": process.wait,
        "process.wait.aio": aio(third.wait.aio),
        "process.stdout": process.stdout.read,
        "run": lambda: other.run("sleep", "1000"),
        "run.aio": aio(lambda: other.run.aio("sleep", "1000")),
        "sandbox.wait": sandbox.wait,
        "sandbox.wait.aio": aio(sandbox.wait.aio),
        "a sandbox without a main process": lambda: other.wait(raise_on_termination=False),
        "wait_until_ready": sandbox.wait_until_ready,
        "sandbox.stdout": sandbox.stdout.read,
        "watch": lambda: list(sandbox.watch("/root")),
    }
    with ThreadPoolExecutor(len(under_way)) as threads:
        made = {name: threads.submit(error_of, call) for name, call in under_way.items()}
        sandbox.run("true")
        assert polled.poll() is None
        assert sandbox.poll() is None
        end_the_machine()
        begin = time.monotonic()
        errors = {name: call.result() for name, call in made.items()}
        took = time.monotonic() - begin
    later = {
        "process.poll": polled.poll,
        "process.poll again": polled.poll,
        "process.poll.aio": aio(polled.poll.aio),
        "process.wait": polled.wait,
        "sandbox.poll": sandbox.poll,
        "sandbox.poll.aio": aio(sandbox.poll.aio),
        "sandbox.wait": sandbox.wait,
        "by its id": lambda: Sandbox.from_id(other.object_id).poll(),
        "wait_until_ready": sandbox.wait_until_ready,
        "exec": lambda: sandbox.exec("true").wait(),
        "stdin": lambda: (process.stdin.write("x"), process.stdin.drain()),
        "read": lambda: sandbox.filesystem.read_text("/etc/passwd"),
        "snapshot": sandbox.snapshot_filesystem,
        "usage": sandbox.usage,
    }
    errors |= {f"later: {name}": error_of(call) for name, call in later.items()}
    new, new_took = error_of(sandbox_factory)

    assert {name: type(error) for name, (error, _) in errors.items()} == dict.fromkeys(
        errors, exceptions.NotFoundError
    )
    assert isinstance(new, exceptions.ServiceError)
    for error in (new, *(error for error, _ in errors.values())):
        assert place in str(error)
        assert why in str(error)
    assert took < SOON
    assert {name for name, (_, seconds) in errors.items() if seconds > SOON} == set()
    assert new_took < SOON

    # What is known of them is not more than before.
    assert sandbox.returncode is None
    with pytest.raises(exceptions.InvalidError):
        polled.returncode
    assert list(Sandbox.list()) == []
    # To end what is gone is no mistake, and says nothing new.
    for each in (sandbox, other):
        assert error_of(lambda: each.terminate(wait=True))[0].args == ("returned 137",)
        assert each.poll() == 137
"""


@pytest.fixture
def far(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[RemoteAddress]:
    """The address of an engine, whose process the tests end in some way."""
    number, why = request.param
    with far_machine() as (address, pid):
        address = replace(address, lease=LEASE)
        monkeypatch.setenv("PYTEST_SANDBOX_ENGINE", address.whole)
        monkeypatch.setenv("FAR_PLACE", address.place)
        monkeypatch.setenv("FAR_PID", str(pid))
        monkeypatch.setenv("FAR_SIGNAL", str(int(number)))
        monkeypatch.setenv("FAR_WHY", why)
        yield address


@pytest.mark.parametrize(
    "far",
    [
        pytest.param((signal.SIGKILL, "Connection refused"), id="killed"),
        pytest.param((signal.SIGSTOP, "nothing came for 4 s"), id="stopped"),
    ],
    indirect=True,
)
def test_every_call_says_which_machine_is_gone(
    pytester: pytest.Pytester, far: RemoteAddress
) -> None:
    pytester.makepyfile(TESTS)
    result = pytester.runpytest("-rs")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line(f"*{far.token}*")


OURS = """
import os
import signal
from dataclasses import replace

def test_it(sandbox):
    sandbox.run("true")
    os.kill(int(os.environ["FAR_PID"]), signal.SIGSTOP)
"""
MODALS = """
import os
import signal
from dataclasses import replace

import pytest
from pytest_sandbox import Sandbox

@pytest.mark.modal_server(in_process=False)
def test_it(modal_server):
    Sandbox.create(client=modal_server.client)
    os.kill(int(os.environ["FAR_PID"]), signal.SIGSTOP)
"""


@pytest.mark.parametrize("far", [(signal.SIGSTOP, "")], ids=["stopped"], indirect=True)
@pytest.mark.parametrize("test", [OURS, MODALS], ids=["ours", "modal"])
def test_what_cannot_be_ended_is_said_with_its_machine(
    pytester: pytest.Pytester, far: RemoteAddress, monkeypatch: pytest.MonkeyPatch, test: str
) -> None:
    monkeypatch.setattr("pytest_sandbox.client.batch._TERMINATE_TIMEOUT", 0.1)
    pytester.makepyfile(test)
    result = pytester.runpytest()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [f"could not end sandbox sb-* on {far.place}", "no answer within 0.1 s"]
    )
    result.stdout.no_fnmatch_line(f"*{far.token}*")
