"""Names of hosts, as sandboxes in memory resolve them."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_sandbox._shared.network.reach import Address


#: Public addresses that no registry has for a special purpose, for names that a test made up.
_MADE_UP = int(IPv4Address("93.0.0.0"))


def made_up_address(name: str) -> Address:
    """A public address for a name, always the same."""
    digest = hashlib.sha256(name.encode()).digest()
    return IPv4Address(_MADE_UP + int.from_bytes(digest[:3], "big"))


def no_such_name() -> socket.gaierror:
    """The error of getaddrinfo(3) for a name that does not exist."""
    return socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def no_answer() -> socket.gaierror:
    """The error of getaddrinfo(3) if no name server answers, or it refuses to."""
    return socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


def os_error(number: int, detail: str = "") -> OSError:
    """The error of a system call, of the class that Python has for the number."""
    return OSError(number, os.strerror(number) + (f": {detail}" if detail else ""))


def refused(detail: str) -> OSError:
    """The error of a connection that nothing accepts."""
    return os_error(errno.ECONNREFUSED, detail)
