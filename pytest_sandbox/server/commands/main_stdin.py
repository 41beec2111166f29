"""Writes to the main process of a sandbox, for the control plane and for the command router."""

from collections.abc import Awaitable, Callable

from ..model.sandbox import ServedSandbox
from ..rpc.errors import precondition
from .stdin import StdinWriter


async def write_main_stdin(
    sandbox: ServedSandbox, data: bytes, write: Callable[[StdinWriter], Awaitable[None]]
) -> None:
    """Write to the main process, unless the sandbox has ended.

    Args:
        sandbox: the sandbox.
        data: to write; empty for the end of input alone.
        write: writes it.

    Raises:
        GRPCError: FAILED_PRECONDITION: nothing reads the data.
    """
    if sandbox.result is None:
        with sandbox.lifetime.activity():
            await write(sandbox.commands.stdin)
    elif data:  # some clients send the end of input in a call of its own, which may come too late
        raise precondition(
            f"Sandbox {sandbox.id!r} has ended, so nothing reads its input: {sandbox.why_ended}"
        )
