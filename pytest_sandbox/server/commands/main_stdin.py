"""Writes to the main process of a sandbox, for the control plane and for the command router."""

from collections.abc import Awaitable, Callable

from ..model.sandbox import ServedSandbox
from .stdin import StdinWriter


async def write_main_stdin(
    sandbox: ServedSandbox, data: bytes, write: Callable[[StdinWriter], Awaitable[None]]
) -> None:
    """Write to the main process.

    Once the sandbox has ended, an end of input alone is taken, which some clients send in a call of
    its own, and what was written before, as its answer may have been lost.

    Args:
        sandbox: the sandbox.
        data: to write; empty for the end of input alone.
        write: writes it.

    Raises:
        GRPCError: FAILED_PRECONDITION: nothing reads the data; or as `StdinWriter` raises.
    """
    stdin = sandbox.commands.stdin
    if sandbox.result is None:
        with sandbox.lifetime.activity():
            await write(stdin)
    elif data:
        await write(stdin)
