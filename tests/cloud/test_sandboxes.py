"""A sandbox in the cloud: what goes on to Modal, and what does not."""

import asyncio
import itertools
from pathlib import Path
from typing import Any

from pytest_sandbox._proto.sandboxes_pb2 import (
    SandboxInfo,
    SandboxListRequest,
    SandboxListResponse,
)
from pytest_sandbox.client import Client, Sandbox
from pytest_sandbox.cloud.sandboxes import tagged
from pytest_sandbox.cloud.transport.settings import CloudSettings

SETTINGS = CloudSettings(("https://a.test",), "ak-1", "as-1", "", "1.6.4", "a test")


def test_a_life(run_in_cloud: Any) -> None:
    run = run_in_cloud()
    sandbox = Sandbox.create("cat", client=run.client, tags={"a": "b"})
    assert sandbox.run("echo", "hi").stdout == "hi\n"
    process = sandbox.exec("sh", "-c", "cat; exit 3")
    process.stdin.write("in")
    process.stdin.write_eof()
    process.stdin.drain()
    assert process.stdout.read() == "in"
    assert process.wait() == 3
    sandbox.filesystem.write_text("x", "/tmp/x")
    assert sandbox.filesystem.read_text("/tmp/x") == "x"
    assert sandbox.get_tags() == {"a": "b"}
    sandbox.stdin.write("main")
    sandbox.stdin.write_eof()
    sandbox.stdin.drain()
    sandbox.wait()
    assert sandbox.stdout.read() == "main"


def test_a_list_that_a_server_repeats_has_an_end() -> None:
    times = itertools.count()

    class Repeating:
        settings = SETTINGS

        async def ask(self, rpc: str, request: SandboxListRequest) -> SandboxListResponse:
            info = SandboxInfo(id="sb-1", created_at=next(times))
            assert info.created_at < 9
            return SandboxListResponse(sandboxes=[info])

    control: Any = Repeating()
    assert asyncio.run(tagged(control, "run")) == ["sb-1"]


def test_a_client_that_is_not_told_asks_once_what_it_talks_to(
    run_in_cloud: Any, tmp_path: Path
) -> None:
    run = run_in_cloud()
    with Client(tmp_path / "socket") as client:
        sandbox = Sandbox.create("cat", client=client)
        assert sandbox.run("echo", "hi").stdout == "hi\n"

    assert "ExecFollow" not in run.cloud.hooks.counts
    assert run.cloud.hooks.counts["SandboxCreateV2"] == 1
