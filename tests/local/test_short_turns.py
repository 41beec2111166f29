"""PID 1 of a sandbox is given a processor soon, and what it starts is not."""

import ctypes
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox.engine import ProcessSpec, TaskSpec
from pytest_sandbox.local import Mode
from pytest_sandbox.local.kernel.syscalls import check, libc, number

from .conftest import engine_in, only_child

if TYPE_CHECKING:
    from pytest_sandbox.local import LocalEngine


@dataclass(frozen=True)
class Scheduling:
    policy: int
    nice: int
    turn: int  # in nanoseconds; 0 before Linux 6.12


def scheduling(pid: int) -> Scheduling:
    """What sched_getattr(2) says."""
    words = (ctypes.c_uint32 * 12)()
    # Its number follows that of the call that sets them, on all architectures.
    result = libc.syscall(number("sched_setattr") + 1, pid, words, ctypes.sizeof(words), 0)
    check(int(result), "sched_getattr")
    flags = os.SCHED_RESET_ON_FORK if words[2] & 1 else 0
    return Scheduling(words[1] | flags, ctypes.c_int32(words[4]).value, words[6])


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name.lower())
async def test_it_has_shorter_turns_than_what_it_starts(mode: Mode) -> None:
    async with engine_in(mode) as engine:
        pid, program = await of_a_sandbox(engine)
        usual = scheduling(0)

        assert pid.policy == os.SCHED_OTHER | os.SCHED_RESET_ON_FORK
        assert pid.turn == (usual.turn and 200_000)
        assert pid.nice == usual.nice
        assert program == usual


async def of_a_sandbox(engine: "LocalEngine") -> tuple[Scheduling, Scheduling]:
    """How PID 1 and a program are scheduled."""
    task = await engine.create(TaskSpec())
    await task.exec(ProcessSpec(("sleep", "1000")))
    pid = only_child(engine.factory.zygote.pid)
    found = scheduling(pid), scheduling(only_child(pid))
    await task.kill()
    return found
