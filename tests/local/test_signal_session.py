"""Signals to all processes of a session, by their agent."""

import signal

import pytest

from pytest_sandbox.local.agent import spawn


def test_the_leader_is_killed_before_what_it_may_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[tuple[int, int]] = []
    # A set of small numbers is iterated by their low bits.
    found = [{1000, 1001}, set()]
    monkeypatch.setattr(spawn, "_members", lambda *_, **__: found.pop(0))
    monkeypatch.setattr("os.kill", lambda pid, number: killed.append((pid, number)))

    spawn.signal_session(1001, signal.SIGKILL)

    assert killed == [(1001, signal.SIGKILL), (1000, signal.SIGKILL)]
