"""Tests in which pytest-socket blocks sockets: an error that names the option to use."""

from __future__ import annotations

from ..exceptions import ConnectionError as SandboxConnectionError

#: How the error of pytest-socket begins. Where warnings are errors, its warning is raised in place
#: of it, with the same text.
_BLOCKED = "A test tried to use socket.socket"


def blocked_socket_error(error: BaseException) -> SandboxConnectionError | None:
    """What to raise instead of an error of pytest-socket; `None` for all other errors."""
    if not isinstance(error, RuntimeError | Warning) or not str(error).startswith(_BLOCKED):
        return None
    return SandboxConnectionError(
        "pytest-socket blocks sockets in this test (--disable-socket, --allow-hosts, ...), "
        "and sandboxes are reached through Unix sockets, which never leave this machine. Run "
        "pytest with --allow-unix-socket too: the network stays blocked."
    )
