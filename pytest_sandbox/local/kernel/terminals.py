"""Pseudoterminals: pty(7), ioctl_tty(2).

Each sandbox has its own devpts, in which terminals are numbered from 0: the number names the other
end, `/dev/pts/N`.
"""

from __future__ import annotations

import fcntl
import os
import struct
import termios

from . import mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .calls import PreparedCalls

# asm/ioctls.h; the same on the machines that are supported. Python has no names for them.
_TIOCSPTLCK, _TIOCGPTN = 0x40045431, 0x80045430
#: The group `tty` of most distributions, which may write to terminals: write(1).
_TTY_GROUP = 5


def mount_devpts(target: str, calls: PreparedCalls) -> None:
    """Have `calls` mount a new instance, which shows no terminal but its own.

    Each mount is one since Linux 4.7: Documentation/filesystems/devpts.rst.
    """
    flags, options = mounts.MS_NOSUID | mounts.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"
    args = "devpts", target, "devpts", flags
    # In a user namespace with a single id, there is no such group: EINVAL.
    ways = (*args, f"{options},gid={_TTY_GROUP}"), (*args, options)
    calls.add_either("mount", *ways, about=target)


def open_terminal() -> tuple[int, int]:
    """Open a new terminal: a descriptor of its master, and its number in `/dev/pts`.

    Raises:
        OSError: the kernel refused it.
    """
    master = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))  # it begins locked: unlockpt(3)
        number = number_of(master)
    except OSError:
        os.close(master)
        raise
    return master, number


def number_of(master: int) -> int:
    """The number in `/dev/pts` of the terminal with this master.

    Raises:
        OSError: it is none.
    """
    (number,) = struct.unpack("i", fcntl.ioctl(master, _TIOCGPTN, bytes(4)))
    return int(number)


def set_size(master: int, rows: int, columns: int) -> None:
    """Set the size of a terminal's window, in characters; its programs get SIGWINCH.

    Raises:
        OSError: it is none.
    """
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
