"""In which pid and user namespaces processes are: namespaces(7)."""

import os

_KINDS = ("pid", "user")


def namespaces_of(pid: int | str) -> list[int]:
    """What identifies the namespaces of a process.

    Args:
        pid: of the process, or `"self"`.

    Raises:
        OSError: it is gone, or we may not look at it.
    """
    # Inode numbers, which no two namespaces share at a time: namespaces(7), "/proc/pid/ns/".
    return [os.stat(f"/proc/{pid}/ns/{kind}").st_ino for kind in _KINDS]
