"""PID 1 of a sandbox is given a processor soon, and what it starts is not."""

import ctypes
import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox.engine import ProcessSpec, TaskSpec
from pytest_sandbox.local import Mode
from pytest_sandbox.local.agent.short_turns import take_short_turns
from pytest_sandbox.local.kernel import bpf, prctl, seccomp
from pytest_sandbox.local.kernel.calls import PreparedCalls
from pytest_sandbox.local.kernel.syscalls import check, libc, number

from .conftest import engine_in, needs_root, only_child

if TYPE_CHECKING:
    from collections.abc import Callable

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


def refuse(call: str, error: int) -> None:
    """Have the kernel refuse this process a call; never undone."""
    program = (
        bpf.instruction(bpf.LOAD, 0),  # the number of the call: seccomp(2)
        bpf.instruction(bpf.JUMP_IF_EQUAL, number(call), skip_false=1),
        bpf.instruction(bpf.RETURN, 0x00050000 + error),
        bpf.instruction(bpf.RETURN, 0x7FFF0000),
    )
    prctl.forbid_new_privileges()
    seccomp.install(b"".join(program))


def in_a_child(work: "Callable[[], bool]") -> bool:
    """What a process says that is forked for it; nothing if it fails."""
    child = os.fork()
    if child == 0:
        said = False
        try:
            said = work()
        finally:
            os._exit(0 if said else 1)
    return os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("refusal", [errno.EPERM, errno.ENOSYS])
def test_where_the_call_is_refused_there_are_sandboxes_all_the_same(refusal: int) -> None:
    """As by the seccomp filter of a container that we are in."""

    def make() -> bool:
        calls = PreparedCalls()
        take_short_turns(calls)
        refuse("sched_setattr", refusal)
        calls.make()
        return True

    assert in_a_child(make)


def scheduled(policy: int, nice: int, priority: int) -> bool:
    """Be scheduled like that, as whoever started pytest may have asked for."""
    os.sched_setscheduler(0, policy, os.sched_param(priority))
    os.setpriority(os.PRIO_PROCESS, 0, nice)
    return True


@pytest.mark.parametrize(
    ("policy", "nice", "priority"),
    [
        (os.SCHED_OTHER, 0, 0),
        (os.SCHED_OTHER, 5, 0),
        pytest.param(os.SCHED_OTHER, -5, 0, marks=needs_root),
        (os.SCHED_BATCH, 0, 0),
        (os.SCHED_IDLE, 0, 0),
        pytest.param(os.SCHED_FIFO, 0, 1, marks=needs_root),
    ],
)
def test_what_it_starts_is_scheduled_as_without(policy: int, nice: int, priority: int) -> None:
    if not in_a_child(lambda: scheduled(policy, nice, priority)):
        pytest.skip("root may not be scheduled like that here, or pytest is niced")

    def compare() -> bool:
        scheduled(policy, nice, priority)
        usual = scheduling(0)
        calls = PreparedCalls()
        take_short_turns(calls)
        calls.make()
        return in_a_child(lambda: scheduling(0) == usual)

    assert in_a_child(compare)
