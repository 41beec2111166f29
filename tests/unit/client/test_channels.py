"""Connections: as many as needed, with large frames, and none shared with a fork."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Callable
from typing import Any

from grpclib.protocol import Stream

from pytest_sandbox._proto import common_pb2
from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox.client import Client, Sandbox
from pytest_sandbox.client.transport.channels import CALLS

from .stubs import control, gives

Serve = Callable[..., Client]


def test_calls_that_wait_do_not_keep_others_waiting(serve: Serve) -> None:
    """However many: a server takes 100 calls on a connection, and these take them all."""
    waiting: list[object] = []
    enough = asyncio.Event()

    async def wait(request: object, stream: Any) -> None:
        waiting.append(request)
        if len(waiting) == 250:
            enough.set()
        await enough.wait()
        result = common_pb2.GenericResult(status=common_pb2.GenericResult.GENERIC_STATUS_SUCCESS)
        await stream.send_message(pb.SandboxWaitResponse(result=result))

    client = serve(control(SandboxWait=wait))

    async def main() -> None:
        await asyncio.gather(*(Sandbox("sb-1", client).wait.aio() for _ in range(250)))

    asyncio.run(main())

    assert len(client.channels._links) == -(-250 // CALLS)


def test_calls_one_after_the_other_share_a_connection(serve: Serve) -> None:
    client = serve(control(SandboxTagsGet=gives(pb.SandboxTagsGetResponse())))

    for _ in range(2 * CALLS):
        Sandbox("sb-1", client).get_tags()

    assert len(client.channels._links) == 1


def test_a_server_may_send_large_frames(serve: Serve, monkeypatch: Any) -> None:
    sizes: list[int] = []
    send_data = Stream.send_data

    async def spy(self: Stream, data: bytes, end_stream: bool = False) -> None:
        await send_data(self, data, end_stream)
        sizes.append(self._h2_connection.max_outbound_frame_size)

    text = "x" * 2**20
    batch = common_pb2.TaskLogsBatch(items=[common_pb2.TaskLogs(data=text)], eof=True)
    client = serve(control(SandboxGetLogs=gives(batch)))
    monkeypatch.setattr(Stream, "send_data", spy)

    assert Sandbox("sb-1", client).stdout.read() == text
    assert max(sizes) == 2**20


def test_a_fork_leaves_the_connections_of_its_parent_alone(serve: Serve) -> None:
    """Even when they are freed there: closing one would take it from the parent's loop."""
    client = serve(control(SandboxTagsGet=gives(pb.SandboxTagsGetResponse())))
    Sandbox("sb-1", client).get_tags()

    child = os.fork()
    if child == 0:
        code = 1
        try:
            client.channels._links.clear()
            gc.collect()
            Sandbox("sb-1", client).get_tags()
            code = 0
        finally:
            sys.stdout.flush()
            os._exit(code)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert Sandbox("sb-1", client).get_tags() == {}
