"""The answer of a helper that dumps or restores the processes of a sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ...agents.errors import OperationFailed
from ...agents.ready import readable
from ...protocol import wire
from ...protocol.common import Failed
from ...protocol.criu import CRIU_HELPER_TO_ENGINE, OperationRefused
from ...protocol.message import BadMessage, DescriptorsLost, Message

if TYPE_CHECKING:
    import socket

    from ...agents.pending_answers import Answer

A = TypeVar("A", bound=Message)


async def criu_answer(sock: socket.socket, expected: type[A]) -> Answer[A]:
    """Wait for the answer.

    Args:
        sock: where it comes.
        expected: what it is if all goes well.

    Raises:
        OperationFailed: it cannot be done to these processes, or the helper was killed.
        OSError: what the kernel said.
    """
    sock.setblocking(False)
    await readable(sock.fileno())
    try:
        message, _, passed = wire.receive(sock, CRIU_HELPER_TO_ENGINE)
    except BadMessage as error:
        raise OperationFailed(f"the helper broke the protocol: {error}") from error
    except DescriptorsLost:
        raise
    except OSError:
        message, passed = None, []
    if isinstance(message, expected):
        return message, passed
    wire.close_all(passed)
    if isinstance(message, OperationRefused):
        raise OperationFailed(message.reason)
    if isinstance(message, Failed):
        raise message.error.error()
    raise OperationFailed("the helper was killed, or the sandbox ended")
