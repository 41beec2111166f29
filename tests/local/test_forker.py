"""The process that sandboxes are forked from: what becomes of them, and of it."""

import os
import resource
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_sandbox.engine import Limits, StoreFull, TaskSpec
from pytest_sandbox.local import LocalEngine
from pytest_sandbox.local.kernel.cgroups.joining import CgroupDescriptors
from pytest_sandbox.local.protocol import wire
from pytest_sandbox.local.protocol.forker import FORKED, ORDER, SandboxPlan
from pytest_sandbox.local.zygote.forker import Forker

from .conftest import children, is_forker, is_running, shell, until
from .test_prepared_calls import faults

#: Pages that it writes to for one sandbox, at most. The zygote writes to 430.
MOST_FAULTS = 160


def forker_of(engine: LocalEngine) -> int:
    zygote = engine.factory.zygote.pid
    listing = Path(f"/proc/{zygote}/task/{zygote}/children").read_text()
    (found,) = filter(is_forker, map(int, listing.split()))
    return found


@pytest.mark.asyncio
async def test_its_death_ends_no_sandbox_and_others_can_be_made(fresh: LocalEngine) -> None:
    before = await fresh.create(TaskSpec())
    assert (await shell(before, "echo fine")).out == "fine\n"  # it holds no socket of the forker
    killed = forker_of(fresh)
    os.kill(killed, signal.SIGKILL)
    until(lambda: not is_running(killed), "it is gone")

    after = await fresh.create(TaskSpec())
    for task in (before, after):
        assert (await shell(task, "echo fine")).out == "fine\n"
        await task.kill()
    assert forker_of(fresh) != killed
    until(lambda: not children(fresh.factory.zygote.pid), "nothing is left of them")


@pytest.mark.asyncio
async def test_without_room_for_descriptors_it_refuses(fresh: LocalEngine) -> None:
    pid = forker_of(fresh)
    usual = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, usual[1]))
    with pytest.raises(StoreFull, match="Too many open files"):
        await fresh.create(TaskSpec())

    resource.prlimit(pid, resource.RLIMIT_NOFILE, usual)
    task = await fresh.create(TaskSpec())
    assert (await shell(task, "echo fine")).out == "fine\n"
    assert forker_of(fresh) == pid
    await task.kill()


@pytest.mark.asyncio
async def test_it_writes_to_few_pages_for_each_sandbox(fresh: LocalEngine) -> None:
    for _ in range(2):
        await (await fresh.create(TaskSpec())).kill()
    before = faults(forker_of(fresh))
    for _ in range(3):
        await (await fresh.create(TaskSpec())).kill()
    assert (faults(forker_of(fresh)) - before) / 3 < MOST_FAULTS


@pytest.mark.asyncio
async def test_each_sandbox_is_of_its_own_kind(fresh: LocalEngine) -> None:
    for name in ("one", "two", "one"):
        task = await fresh.create(TaskSpec(hostname=name, limits=Limits(processes=50)))
        assert (await shell(task, "hostname")).out == f"{name}\n"
        await task.kill()


class Double(Forker):
    """Talks to a thread instead of a process.

    Args:
        answer: to an order; empty if it dies over that.
    """

    def __init__(self, answer: Callable[[], bytes]) -> None:
        setup: Any = None
        super().__init__(setup)
        self.answer = answer
        self.starts = 0
        self.plans: list[int] = []

    def start(self) -> None:
        self.starts += 1
        self._sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        threading.Thread(target=self.serve, args=[theirs]).start()

    def serve(self, sock: socket.socket) -> None:
        with sock:
            while data := wire.receive_packet(sock)[0]:
                if len(data) == ORDER.size:
                    self.plans.append(ORDER.unpack(data)[0])
                    answer = self.answer()
                    if not answer:
                        return
                    sock.send(answer)

    def order(self, **changes: Any) -> int:
        usual: dict[str, Any] = {"stack": [], "volumes": [], "hostname": "x", "workdir": "/"}
        usual |= {"project": False, "network": False, "processes": 1, "gpus": [], "folder": False}
        ours, theirs = socket.socketpair()
        with ours, theirs:
            return self.fork(SandboxPlan(**{**usual, **changes}), None, ours, theirs, NO_GROUPS)


NO_GROUPS = CgroupDescriptors()


def test_what_it_dies_over_fails_alone() -> None:
    """It may have forked already: two sandboxes would share their sockets."""
    answers = iter([b"", FORKED.pack(7)])
    double = Double(lambda: next(answers))

    with pytest.raises(OSError, match="the process that forks sandboxes was killed"):
        double.order()
    assert double.order() == 7
    assert double.starts == 2
    double.stop()


def test_one_that_died_before_is_replaced() -> None:
    double = Double(lambda: FORKED.pack(7))
    double._sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.close()

    assert double.order() == 7
    assert double.starts == 1
    double.stop()


def test_it_hears_of_a_plan_once_and_knows_a_number_of_them() -> None:
    double = Double(lambda: FORKED.pack(7))
    for _ in range(2):
        for processes in range(1, 65):
            double.order(processes=processes)
    assert double.plans == [*range(64)] * 2
    assert double.starts == 1

    double.order(processes=100)
    assert double.plans[-1] == 0
    assert double.starts == 2
    double.stop()
