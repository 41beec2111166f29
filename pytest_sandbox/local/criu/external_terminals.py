"""Terminals of dumped and restored processes whose master is outside of the sandbox.

What a program has open is the slave; the engine has the master. CRIU calls such a terminal
external: it takes note of it by a key, and wants to be given one in its place.
"""

from __future__ import annotations

import contextlib
import os

from ..kernel.terminals import open_terminal

_FOLDER = "/dev/pts"


def with_master_outside(trees: dict[int, list[int]]) -> set[int]:
    """Numbers of the terminals that processes have open whose master none of them has."""
    slaves, masters = set(), set()
    for pid in (pid for family in trees.values() for pid in family):
        with contextlib.suppress(OSError):  # a process that has ended has none
            for name in os.listdir(f"/proc/{pid}/fd"):
                target = os.readlink(f"/proc/{pid}/fd/{name}")
                if target.endswith("/ptmx"):
                    masters.add(_number_of_master(pid, name))
                elif target.startswith(f"{_FOLDER}/"):
                    slaves.add(int(target.rpartition("/")[2]))
    return slaves - masters


def keys(numbers: set[int]) -> dict[int, str]:
    """What CRIU calls terminals."""
    found = {}
    for number in numbers:
        info = os.stat(f"{_FOLDER}/{number}")
        found[number] = f"tty[{info.st_rdev:x}:{info.st_dev:x}]"
    return found


def open_all(numbers: set[int]) -> dict[int, tuple[int, int]]:
    """New terminals of given numbers, in a sandbox that has none: master and slave of each."""
    opened: dict[int, tuple[int, int]] = {}
    # There is no way to ask for a number.
    while numbers - set(opened):  # the kernel gives the lowest that is free
        master, number = open_terminal()
        slave = os.open(f"{_FOLDER}/{number}", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        opened[number] = master, slave
    for number in set(opened) - numbers:
        for fd in opened.pop(number):
            os.close(fd)
    return opened


def _number_of_master(pid: int, name: str) -> int:
    with open(f"/proc/{pid}/fdinfo/{name}") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("tty-index"))
