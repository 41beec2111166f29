"""Reaches a far side by ssh: `ssh HOST pytest-sandbox serve --stdio`, on its input and output."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_sandbox.engine import EngineUnavailable

from .carrier import Carrier
from .dialing import resolver, say_hello

if TYPE_CHECKING:
    from pytest_sandbox._shared.network.engine_address import RemoteAddress

    from .hello import Hello, Welcome

#: Bytes of what ssh says that errors show.
_MUCH = 2000
#: Seconds in which ssh says why it failed, once its output has ended.
_LAST_WORDS = 2.0


def command(address: RemoteAddress) -> list[str]:
    """What connects; ssh asks for nothing, since nobody could answer."""
    port = ["-p", str(address.port)] if address.port else []
    user = [f"{address.user}@{address.host}" if address.user else address.host]
    options = ["-T", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=5"]
    return ["ssh", *options, *port, "--", *user, address.program, "serve", "--stdio"]


async def dial_by_ssh(address: RemoteAddress, hello: Hello) -> tuple[Carrier, Welcome]:
    """Connect, and say hello.

    Raises:
        EngineUnavailable: there is no ssh here, or it failed, with what it said.
    """
    first, on_first = resolver()
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            ssh = await asyncio.create_subprocess_exec(
                *command(address),
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=asyncio.subprocess.PIPE,
            )
    except FileNotFoundError:
        ours.close()
        raise EngineUnavailable(
            f"{address.place}: there is no program ssh here", "Install it: openssh-client."
        ) from None
    loop = asyncio.get_running_loop()
    transport, carrier = await loop.create_connection(lambda: Carrier(on_first), sock=ours)
    said = carrier.program = asyncio.ensure_future(_last_of(ssh))
    try:
        return carrier, await say_hello(address, carrier, first, hello)
    except OSError as error:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(said), _LAST_WORDS)
        raise _failed(address, said.result() if said.done() else str(error)) from None
    except BaseException:
        with suppress(ProcessLookupError):
            ssh.kill()
        transport.abort()
        raise


async def _last_of(ssh: asyncio.subprocess.Process) -> str:
    """The end of what it says until it ends; it must be read, or it would wait."""
    assert ssh.stderr is not None
    said = b""
    while data := await ssh.stderr.read(_MUCH):
        said = (said + data)[-_MUCH:]
    await ssh.wait()
    return said.decode(errors="replace").strip()


def _failed(address: RemoteAddress, said: str) -> EngineUnavailable:
    if "not found" in said or "No such file" in said:
        remedy = (
            "Install pytest-sandbox there, and if it is not in the PATH of ssh's commands, say "
            "where it is: ?program=/path/to/pytest-sandbox."
        )
    else:
        remedy = f"Does `{' '.join(command(address)[:-3])} true` work?"
    return EngineUnavailable(f"{address.place}: ssh failed: {said or 'it said nothing'}", remedy)
