"""What is sent to sockets and not received ends the sandbox when the machine has little memory."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_sandbox.engine import ProcessSpec, TaskSpec
from pytest_sandbox.local import LocalEngine
from pytest_sandbox.local.zygote.watches import socket_watch
from pytest_sandbox.local.zygote.watches.socket_watch import SocketWatch

from .conftest import children

#: Sends, to sockets of a kind, what nothing receives: bad requests, which netlink repeats in its
#: errors, or datagrams.
HOLD = """
import contextlib, socket, struct, sys, time
sockets = []
for _ in range(20):
    if sys.argv[1] == "netlink":
        sockets.append(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
        sockets[-1].bind((0, 0))
        message = struct.pack("=IHHII", 16016, 255, 5, 1, 0) + bytes(16000)
    else:
        sockets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sockets[-1].bind(("127.0.0.1", 0))
        sockets[-1].connect(sockets[-1].getsockname())
        message = bytes(16000)
    sockets[-1].setblocking(False)
    with contextlib.suppress(BlockingIOError):
        for _ in range(10):
            sockets[-1].send(message)
print("held", flush=True)
time.sleep(1000)
"""


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("kind", ["netlink", "datagrams"])
@pytest.mark.parametrize("short", [True, False], ids=["short of memory", "enough memory"])
async def test_a_sandbox_whose_sockets_hold_too_much_is_ended(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch, kind: str, short: bool
) -> None:
    neighbour = await engine.create(TaskSpec())
    innocent = children(engine.factory.zygote.pid)
    task = await engine.create(TaskSpec())
    (guilty,) = set(children(engine.factory.zygote.pid)) - set(innocent)
    holding = await task.exec(ProcessSpec((sys.executable, "-c", HOLD, kind)))
    assert await holding.stdout.read(0) == b"held\n"
    monkeypatch.setattr(socket_watch, "_FREE_TO_USE", 1 << 40 if short else 0.5)
    record: Any = SimpleNamespace(group=SimpleNamespace(limits=SimpleNamespace(memory=1 << 20)))
    ended: list[int] = []
    watch = SocketWatch(lambda pid, record: ended.append(pid))

    pause = watch.act(dict.fromkeys((*innocent, guilty), record))

    assert ended == ([guilty] if short else [])
    assert pause is not None
    assert 0 < pause < 1
    assert watch.act({}) is None
    await task.kill()
    await neighbour.kill()
