"""What a sandbox used, as `Sandbox.usage` tells it."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_sandbox.client import Client, Sandbox
from pytest_sandbox.client.exceptions import NotFoundError

MIB = 1024 * 1024
WRITE = f"head -c {MIB} /dev/zero > zeros"


def test_what_was_written_is_told_then_and_after_the_end(sandbox: Sandbox, call: Any) -> None:
    sandbox.run("sh", "-c", WRITE, check=True)
    running = call(sandbox.usage)
    assert running.bytes_written is None or MIB <= running.bytes_written < 2 * MIB
    sandbox.terminate()
    ended = call(sandbox.usage)
    assert ended.bytes_written >= MIB
    assert ended.cpu_seconds >= running.cpu_seconds
    assert call(sandbox.usage) == ended


def test_of_a_restored_sandbox_it_is_what_was_used_before_too(sandbox: Sandbox) -> None:
    image = sandbox.snapshot_filesystem()
    for _ in range(3):
        sandbox.run("sh", "-c", WRITE, check=True)
        sandbox.restore(image)
    sandbox.terminate()
    written = sandbox.usage().bytes_written
    assert written is not None
    assert 3 * MIB <= written < 4 * MIB


def test_an_unknown_sandbox(client: Client) -> None:
    with pytest.raises(NotFoundError):
        Sandbox("sb-" + "0" * 22, client).usage()
