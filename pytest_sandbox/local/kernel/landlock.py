"""Landlock: a process without privileges gives up access to files, ports and other processes.

What it gives up, it and all that it starts never have again: landlock(7), and
Documentation/userspace-api/landlock.rst for the versions of the interface (ABI).
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct

from .syscalls import call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# include/uapi/linux/landlock.h
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH, _RULE_NET_PORT = 1, 2
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
#: All rights to files of the first version, and those that later ones have besides.
_FIRST_RIGHTS = (1 << 13) - 1
_LATER_RIGHTS = {2: 1 << 13, 3: _TRUNCATE, 5: _IOCTL_DEV}
_CONNECT_TCP = 2
#: Abstract Unix sockets and signals of other processes.
_SCOPES = 1 | 2
#: The versions from which on the kernel knows rights to ports, and scopes.
PORTS_SINCE, SCOPES_SINCE = 4, 6

_READ = _EXECUTE | _READ_FILE | _READ_DIR
#: What can be allowed for something that is no directory.
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV


def version() -> int:
    """The version of the interface that the kernel has; 0 if it has none, or it is turned off."""
    try:
        return call("landlock_create_ruleset", None, 0, _CREATE_RULESET_VERSION)
    except OSError:
        return 0


class Landlock:
    """Rules in the making: files can be read, and nothing else is allowed but by a rule.

    Where the kernel knows them, also no TCP connection is allowed, and no signal to a process, and
    no connection to an abstract Unix socket, that is not below the one that takes the rules.

    Args:
        version: of the interface, 1 or above.

    Raises:
        OSError: the kernel refused it.
    """

    def __init__(self, version: int) -> None:
        self._rights = _FIRST_RIGHTS | sum(
            right for since, right in _LATER_RIGHTS.items() if since <= version
        )
        fields = [self._rights]
        if version >= PORTS_SINCE:
            fields.append(_CONNECT_TCP)
        if version >= SCOPES_SINCE:
            fields.append(_SCOPES)
        attributes = struct.pack(f"={len(fields)}Q", *fields)
        self._rules = call(
            "landlock_create_ruleset", ctypes.c_char_p(attributes), len(attributes), 0
        )
        self._allow("/", _READ)

    def allow_all(self, folder: str) -> None:
        """Allow all that can be done in a directory and below it."""
        self._allow(folder, self._rights)

    def allow_writes(self, files: Iterable[str]) -> None:
        """Allow reading and writing some files, or devices, as far as they exist."""
        for path in files:
            if os.path.exists(path):
                self._allow(path, self._rights)

    def allow_connections(self, ports: Iterable[int]) -> None:
        """Allow TCP connections to some ports, of any machine; from `PORTS_SINCE` on."""
        for port in ports:
            self._add(_RULE_NET_PORT, struct.pack("=QQ", _CONNECT_TCP, port), f"port {port}")

    def restrict(self) -> None:
        """Give up all the rest, for good; needs `no_new_privs`."""
        call("landlock_restrict_self", self._rules, 0)
        os.close(self._rules)

    def _allow(self, path: str, rights: int) -> None:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(fd).st_mode):
                rights &= _OF_FILES
            self._add(_RULE_PATH_BENEATH, struct.pack("=Qi", rights & self._rights, fd), path)
        finally:
            os.close(fd)

    def _add(self, kind: int, rule: bytes, about: str) -> None:
        call("landlock_add_rule", self._rules, kind, ctypes.c_char_p(rule), 0, about=about)
