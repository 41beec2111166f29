"""The pipes and the terminal between the engine and a process."""

from __future__ import annotations

import fcntl
import os
import stat
import struct
import termios
from typing import TYPE_CHECKING

from pytest_sandbox.engine import Output

if TYPE_CHECKING:
    from pytest_sandbox.engine import ProcessSpec, PtySize

#: `TIOCGPTN`, which asks the master of a terminal for its number: ioctl_tty(2).
_TIOCGPTN = 0x80045430
#: What every master is: `/dev/ptmx`, pts(4).
_PTMX = os.makedev(5, 2)


def pipe() -> tuple[int, int]:
    """A new pipe: the reading end and the writing end."""
    read, write = os.pipe2(os.O_CLOEXEC)
    # A program that opens /dev/stdout opens the pipe again, through /proc/self/fd, and then its
    # permissions count: they are 0600, and belong to our user, which the program's need not be.
    os.fchmod(read, 0o666)
    return read, write


def streams(spec: ProcessSpec) -> list[str]:
    """Names of the streams that are pipes, in the order in which pipes are passed on."""
    outputs = (("stdout", spec.stdout), ("stderr", spec.stderr))
    if spec.pty:
        return []
    return ["stdin", *(name for name, output in outputs if output is Output.PIPE)]


def is_terminal_master(fd: int) -> bool:
    """Whether a descriptor is of the kind that `/dev/ptmx` gives."""
    info = os.fstat(fd)
    return stat.S_ISCHR(info.st_mode) and info.st_rdev == _PTMX


def terminal_number(master: int) -> int:
    """The number of a terminal in `/dev/pts` of its sandbox."""
    (number,) = struct.unpack("i", fcntl.ioctl(master, _TIOCGPTN, bytes(4)))
    return int(number)


def resize_terminal(master: int, size: PtySize) -> None:
    """Tell a terminal its new size; its programs get SIGWINCH."""
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", size.rows, size.columns, 0, 0))
