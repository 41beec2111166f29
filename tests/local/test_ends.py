"""A sandbox has ended when nothing of it can run any more; what it had is freed behind that."""

import errno
import os
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_sandbox.engine import EndCause, ExitStatus, ProcessSpec, TaskSpec
from pytest_sandbox.local import LocalEngine, LocalOptions, Mode
from pytest_sandbox.local.engine.links.zygote_link import ZygoteLink
from pytest_sandbox.local.engine.machine.host_image import host_image
from pytest_sandbox.local.protocol.common import KernelError
from pytest_sandbox.local.protocol.helpers import ENTERED, HANDLES
from pytest_sandbox.local.protocol.zygote import Figures, SandboxEnded, SandboxGone
from pytest_sandbox.local.zygote.sandbox_record import SandboxRecord
from pytest_sandbox.local.zygote.sandbox_table import SandboxTable

from .conftest import children, is_running, needs_root, only_child, until

USED = Figures(cpu_seconds=0.5, peak_memory=1, bytes_written=2, peak_processes=3, oom_kills=0)


class Owner:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    async def kill(self) -> None:
        raise NotImplementedError

    def born(self, *, ahead: bool) -> None:
        raise NotImplementedError

    def ended(self, **_: object) -> None:
        self.heard.append("ended")

    def gone(self, used: Figures | None) -> None:
        self.heard.append(used)


@pytest.mark.parametrize("at_once", [True, False])
def test_what_it_used_is_told_when_nothing_is_left_of_it(at_once: bool) -> None:
    link, owner = ZygoteLink(Mode.ROOT_IDENTITY, LocalOptions(), host_image(root=True)), Owner()
    link._tasks["1"] = owner
    used = USED if at_once else None
    ended = SandboxEnded(name="1", out_of_memory=False, failed=None, used=used)
    link._on_message(ended, 0, [])
    if not at_once:
        assert owner.heard == ["ended"]
        link._on_message(SandboxGone(name="1", used=USED), 0, [])
    assert owner.heard == ["ended", USED]


def test_one_that_could_not_be_made_is_gone_once() -> None:
    """Its PID 1 may have been forked before that showed, and is killed then."""
    link, owner = ZygoteLink(Mode.ROOT_IDENTITY, LocalOptions(), host_image(root=True)), Owner()
    link._tasks["1"] = owner
    failed = KernelError.of(OSError(errno.EMFILE, os.strerror(errno.EMFILE)))
    for error in (failed, None):
        ended = SandboxEnded(name="1", out_of_memory=False, failed=error, used=None)
        link._on_message(ended, 0, [])
    link._on_message(SandboxGone(name="1", used=USED), 0, [])
    assert owner.heard == ["ended", None]


def test_so_many_may_end_before_the_kernel_has_freed_what_they_had() -> None:
    table: Any = SandboxTable.__new__(SandboxTable)
    record = SimpleNamespace(group=SimpleNamespace(limits=SimpleNamespace(gpus=None)))
    table._alive = {pid: SimpleNamespace(told=pid > 5) for pid in range(21)}
    assert table._may_linger(record)
    table._alive[21] = SimpleNamespace(told=True)
    assert not table._may_linger(record)


def test_one_with_a_device_has_ended_when_that_is_free() -> None:
    table: Any = SandboxTable.__new__(SandboxTable)
    record = SimpleNamespace(group=SimpleNamespace(limits=SimpleNamespace(gpus=[(195, 0)])))
    table._alive = {}
    assert not table._may_linger(record)


@pytest.mark.asyncio
async def test_programs_are_gone_when_it_has_ended(fresh: LocalEngine) -> None:
    zygote = fresh.factory.zygote.pid
    task = await fresh.create(TaskSpec(main=ProcessSpec(("sleep", "1000"))))
    agent = only_child(zygote)
    (program,) = children(agent)
    await task.kill()
    assert not is_running(program)
    assert not is_running(agent)


@pytest.mark.asyncio
async def test_of_an_idle_one_all_is_freed_soon(fresh: LocalEngine) -> None:
    tasks = [await fresh.create(TaskSpec()) for _ in range(3)]
    for task in tasks:
        await task.kill()
    assert [end.cause for task in tasks if (end := task.poll())] == [EndCause.KILLED] * 3
    until(lambda: not children(fresh.factory.zygote.pid), "the kernel has freed what they had")
    assert (await tasks[0].usage()).cpu_seconds


@needs_root
@pytest.mark.asyncio
async def test_one_that_ends_by_itself_leaves_its_mounts_to_pid_1_too(
    fresh: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine has it killed as if somebody had asked for that: so its end is told ahead too."""
    ends = []
    on_ended = ZygoteLink._on_ended

    def hear(link: ZygoteLink, message: SandboxEnded) -> None:
        ends.append(message)
        on_ended(link, message)

    monkeypatch.setattr(ZygoteLink, "_on_ended", hear)
    task = await fresh.create(TaskSpec(main=ProcessSpec(("sh", "-c", "exit 3"))))
    end = await task.wait()
    assert (end.cause, end.status) == (EndCause.EXITED, ExitStatus(code=3))
    assert [message.used for message in ends] == [None]
    assert (await task.usage()).cpu_seconds


def record_of(gate: socket.socket) -> SandboxRecord:
    group: Any = None
    return SandboxRecord("1", gate, group, [], None, project=False)


@pytest.mark.parametrize("enters", [True, False])
def test_its_mounts_are_used_only_once_it_sees_no_others(enters: bool) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    record = record_of(ours)
    read, write = os.pipe()
    with theirs, open(read), open(write):
        socket.send_fds(theirs, [HANDLES], [read, write, read])
        if enters:
            theirs.send(ENTERED)
        theirs.shutdown(socket.SHUT_WR)

        assert os.fstat(record.store) == os.fstat(read)
        if enters:
            assert os.fstat(record.mount_namespace) == os.fstat(write)
        else:
            with pytest.raises(ProcessLookupError, match="has ended"):
                _ = record.mount_namespace
        assert os.fstat(record.network_namespace) == os.fstat(read)
        record.close()


@pytest.mark.parametrize("needed", [False, True])
def test_what_pid_1_is_left_is_freed_with_it(needed: bool) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    read, write = os.pipe2(os.O_NONBLOCK)
    socket.send_fds(theirs, [HANDLES], [write] * 3)
    os.close(write)
    record = record_of(ours)
    if needed:
        _ = record.store

    try:
        record.leave_to_pid_1()
        assert record.is_quick_to_free()
        with pytest.raises(BlockingIOError):
            os.read(read, 1)  # something holds the other end
        theirs.close()
        assert os.read(read, 1) == b""
    finally:
        os.close(read)
