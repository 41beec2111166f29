"""The pipes and the terminal between the engine and a process."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from pytest_sandbox.engine import Output

from ..protocol.wire import close_all

if TYPE_CHECKING:
    from pytest_sandbox.engine import ProcessSpec

#: What every master is: `/dev/ptmx`, pts(4).
_PTMX = os.makedev(5, 2)


def pipe() -> tuple[int, int]:
    """A new pipe: the reading end and the writing end."""
    read, write = os.pipe2(os.O_CLOEXEC)
    # A program that opens /dev/stdout opens the pipe again, through /proc/self/fd, and then its
    # permissions count: they are 0600, and belong to our user, which the program's need not be.
    try:
        os.fchmod(read, 0o666)
    except OSError:
        close_all([read, write])
        raise
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
