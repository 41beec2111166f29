"""A run in Modal's cloud goes on where Modal's own client does."""

from typing import Any

import pytest

import pytest_sandbox
from pytest_sandbox.client import Client
from pytest_sandbox.client.exceptions import ServerWarning
from pytest_sandbox.client.process import task_calls

from ..support.cloud import harsh, harsh_program


def test_all_that_a_cloud_does_at_once(run_in_cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_calls, "_POLL", 0.0)
    run = run_in_cloud(harsh.HARSH)
    harsh.expire_tokens(run.cloud)
    before = Client.set_default(run.client)
    try:
        with pytest.warns(ServerWarning, match="the café closes"):
            assert harsh_program.program(pytest_sandbox) == harsh_program.SEEN
    finally:
        Client.set_default(before)
    assert run.cloud.plans_left == []
    assert len(run.cloud.app.state.sandboxes.all()) == 1
