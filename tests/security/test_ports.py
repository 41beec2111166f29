"""A way into a sandbox leads into that sandbox, and tells it nothing of the machine."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pytest_sandbox.engine import (
    Engine,
    ProcessSpec,
    SupportsPorts,
    Task,
    TaskSpec,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

Inside = Callable[..., Awaitable[Any]]

#: Says who connects.
LISTEN = """
import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    peer, address = server.accept()
    peer.sendall(address[0].encode())
    peer.close()
"""
CONNECT = """
import json, socket, sys
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
    print(json.dumps("reached"))
except OSError as error:
    print(json.dumps(type(error).__name__))
"""


async def listening(task: Task) -> int:
    process = await task.exec(ProcessSpec(("python3", "-I", "-c", LISTEN)))
    async for data in process.stdout.follow():
        return int(data)
    raise AssertionError("it does not listen")


async def test_a_port_of_one_sandbox_is_none_of_another(
    engine: Engine, task: Task, run_inside: Inside
) -> None:
    port = await listening(task)
    other = await engine.create(TaskSpec())
    assert await run_inside(task, CONNECT, str(port)) == "reached"
    assert await run_inside(other, CONNECT, str(port)) == "ConnectionRefusedError"
    with pytest.raises(ConnectionRefusedError):
        await SupportsPorts.of(other).connect(port)
    connection = await SupportsPorts.of(task).connect(port)
    assert await connection.read(100) == b"127.0.0.1"  # its own, as everything it is shown
    await connection.close()
    await other.kill()
