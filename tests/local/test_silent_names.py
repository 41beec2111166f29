"""A name server that does not answer: what waits for it, and what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from pytest_sandbox.engine import OPEN_NETWORK, Network, ProcessSpec, Task, TaskSpec
from pytest_sandbox.local import LocalEngine

from ..security.internet import PUBLIC, Internet, changed, echo, internet
from ..security.test_names import hello
from .conftest import content
from .test_networks import READ, run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: Asks for a name, and says which error it got.
ASK = """
import socket, sys
open("/etc/resolv.conf", "w").write("options timeout:1 attempts:1\\nnameserver 127.0.0.53\\n")
try:
    print(socket.getaddrinfo(sys.argv[1], 80, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
except socket.gaierror as error:
    print(error.errno == socket.EAI_AGAIN)
"""
#: Asks for more names than are looked up at a time, and waits for no answer.
FLOOD = """
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range(200):
    label = b"%04d" % n
    name = b"".join(bytes([len(one)]) + one for one in (label, b"silent", b"example", b""))
    header = b"%02d\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0" % (n % 100)
    sock.sendto(header + name + b"\\0\\1\\0\\1", ("127.0.0.53", 53))
"""


@pytest_asyncio.fixture
async def silent(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[LocalEngine, Internet]]:
    """An engine whose machine has a name server that answers for one name only."""
    with internet(monkeypatch) as outside:
        changed(
            monkeypatch,
            "import time\n"
            "from pytest_sandbox.local.gateway import lookups, outlet\n"
            "outlet._GREETING_TIMEOUT = 0.2\n"
            "lookups.addresses_of = lambda name: (time.sleep(0 if name == 'answers.example' else "
            f"3600), [lookups.plain({PUBLIC!r})])[1]",
        )
        engine = LocalEngine()
        await engine.start()
        yield engine, outside
        await engine.close()


async def printed(task: Task, program: str, *arguments: str) -> str:
    process = await task.exec(ProcessSpec(("python3", "-I", "-c", program, *arguments)))
    assert (await process.wait()).code == 0, await content(process.stderr)
    return (await content(process.stdout)).strip()


@pytest.mark.asyncio
async def test_only_what_needs_the_name_waits(silent: tuple[LocalEngine, Internet]) -> None:
    """And for a bounded time; a flood of questions is one's own loss."""
    engine, outside = silent
    hostile = await engine.create(TaskSpec(network=OPEN_NETWORK))
    assert await printed(hostile, FLOOD) == ""
    assert await printed(hostile, ASK, "answers.example") == "True"
    talk = "sock.sendall(b'x'); print(sock.recv(1))"
    assert await run(hostile, talk, PUBLIC, outside.serve(echo)) == "b'x'"
    other = await engine.create(TaskSpec(network=OPEN_NETWORK))
    assert await printed(other, ASK, "answers.example") == PUBLIC
    await engine.close()


@pytest.mark.asyncio
async def test_tls_to_a_name_without_an_answer_is_reset(
    silent: tuple[LocalEngine, Internet],
) -> None:
    engine, _ = silent
    task = await engine.create(TaskSpec(network=Network(domains=("silent.example",))))
    program = f"sock.sendall({hello('silent.example')!r})" + READ
    assert await run(task, program, "9.9.9.9", 443) == "ConnectionResetError"
    (record,) = (await task.network_log()).records
    assert (record.name, record.reason) == ("silent.example", "no name server answered in time")
