"""Whoever is killed, and when: nothing survives, and every call ends."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pytest_sandbox.engine import (
    EndCause,
    EngineUnavailable,
    ExitStatus,
    ProcessSpec,
    Task,
    TaskEnded,
    TaskSpec,
)
from pytest_sandbox.local import LocalEngine

from .conftest import (
    all_closed,
    children,
    content,
    descriptors,
    is_forker,
    is_running,
    needs_root,
    processes,
    shell,
    until,
    zygote_of,
)

BUSY = """
trap '' TERM HUP INT
head -c 3000000 /dev/zero > /tmp/file
setsid sh -c "trap '' TERM HUP INT; sleep {mark}" &
echo up
sleep {mark}
"""

ENGINE = """
import asyncio, sys
from pytest_sandbox.engine import Limits, ProcessSpec, TaskSpec
from pytest_sandbox.local import LocalEngine
from pytest_sandbox.local.agents import agent_link

async def main():
    engine = LocalEngine()
    await engine.start()
    for _ in range(5):
        task = await engine.create(TaskSpec(limits=Limits(processes=100)))
        process = await task.exec(ProcessSpec(("/bin/sh", "-c", sys.argv[1])))
        await process.stdout.read(0)
    zygote = engine.factory.zygote
    print(zygote.pid, *zygote.cgroups, flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""


class Victim:
    """An engine in a process of its own, with busy sandboxes."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.process = subprocess.Popen(
            [sys.executable, "-c", ENGINE, BUSY.format(mark=mark)], stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        zygote, *self.groups = self.process.stdout.readline().decode().split()
        self.zygote = int(zygote)
        until(lambda: len(self.sleepers()) == 10, "the sandboxes are busy")

    def sleepers(self) -> list[int]:
        return [pid for pid in processes("sleep", self.mark) if self._is_sleep(pid)]

    def _is_sleep(self, pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/comm").read_text().strip() == "sleep"
        except OSError:
            return False

    def agents(self) -> list[int]:
        return [pid for pid in children(self.zygote) if pid in processes("pytest-sandbox agent")]


@pytest.fixture
def victim() -> Iterator[Victim]:
    victim = Victim(f"7{os.getpid()}.125")
    yield victim
    victim.process.kill()
    victim.process.communicate()


def nothing_left(victim: Victim, agents: list[int]) -> None:
    until(lambda: not victim.sleepers(), "every program is gone")
    until(lambda: not any(os.path.exists(f"/proc/{pid}/ns/mnt") for pid in agents), "agents go")


def test_killing_the_engine_ends_everything(victim: Victim) -> None:
    agents = victim.agents()
    assert len(agents) in (5, 6)  # maybe with one that was made ahead
    victim.process.kill()
    nothing_left(victim, agents)
    until(lambda: not processes_of(victim.zygote), "the zygote is gone")
    until(lambda: not any(map(os.path.exists, victim.groups)), "the groups are gone")


def processes_of(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


def test_killing_the_zygote_ends_everything(victim: Victim) -> None:
    agents = victim.agents()
    os.kill(victim.zygote, signal.SIGKILL)
    nothing_left(victim, agents)
    until(lambda: not any(map(os.path.exists, victim.groups)), "the engine removes the groups")


def test_killing_the_zygote_is_enough_when_the_engine_cannot_react(victim: Victim) -> None:
    """The agents hear of it from the kernel, not from the end of their sockets."""
    agents = victim.agents()
    victim.process.send_signal(signal.SIGSTOP)
    os.kill(victim.zygote, signal.SIGKILL)
    nothing_left(victim, agents)


def test_killing_both_leaves_only_empty_groups_for_the_next_start(victim: Victim) -> None:
    agents = victim.agents()
    victim.process.send_signal(signal.SIGSTOP)
    os.kill(victim.zygote, signal.SIGKILL)
    victim.process.kill()
    nothing_left(victim, agents)
    until(lambda: swept(victim), "a later start removes the groups")


CREATING = """
import asyncio
from pytest_sandbox.engine import TaskSpec
from pytest_sandbox.local import LocalEngine
from pytest_sandbox.local.agents import agent_link

async def main():
    engine = LocalEngine()
    await engine.start()
    print(engine.factory.zygote.pid, flush=True)
    while True:
        # With a directory that is made, it is ready when all is done.
        await (await engine.create(TaskSpec(workdir="/srv"))).kill()

asyncio.run(main())
"""


@needs_root
def test_a_zygote_killed_while_it_makes_a_sandbox_leaves_none() -> None:
    """Its death comes before the sandbox could ask the kernel to be told of it."""
    engine = subprocess.Popen([sys.executable, "-c", CREATING], stdout=subprocess.PIPE)
    try:
        assert engine.stdout is not None
        zygote = int(engine.stdout.readline())
        born: list[int] = []
        until(lambda: caught_young(zygote, born), "a sandbox is caught before it is complete")
        until(lambda: state(zygote) == "S", "the zygote has let it go, and waits")
        engine.send_signal(signal.SIGSTOP)  # which would end the sandbox, a moment later
        os.kill(zygote, signal.SIGKILL)
        until(lambda: not is_running(zygote), "the zygote is gone")
        os.kill(born[0], signal.SIGCONT)
        until(lambda: not is_running(born[0]), "the sandbox is gone")
    finally:
        engine.kill()
        engine.communicate()


DIES_AS_ANOTHER = """
import os, signal, sys
from pytest_sandbox.local.kernel import parent
from pytest_sandbox.local.zygote.user_limits import NamespaceOwners

me = os.getpid()
if os.fork() == 0:
    os.setresgid(54321, 54321, 54321)
    os.setresuid(54321, 54321, 54321)  # as a sandbox has other ids than the zygote
    parent.die_with(me)
    print("ready", flush=True)
    signal.pause()
sys.stdin.readline()
NamespaceOwners(rootless=False).change_to(12345, 100)
os.kill(me, signal.SIGKILL)
"""


@needs_root
def test_a_zygote_killed_while_it_makes_a_sandbox_takes_the_others_along() -> None:
    """It has another id then, and without rights of root the kernel would send no signal."""
    zygote = subprocess.Popen(
        [sys.executable, "-c", DIES_AS_ANOTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert zygote.stdout is not None
    assert zygote.stdout.readline() == b"ready\n"
    (child,) = children(zygote.pid)

    try:
        zygote.communicate(b"\n", timeout=20)
        until(lambda: not is_running(child), "the child is gone")
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def caught_young(zygote: int, born: list[int]) -> bool:
    """Stop a sandbox that has not yet taken from itself what it must; whether there was one."""
    with suppress(OSError):
        listing = Path(f"/proc/{zygote}/task/{zygote}/children").read_text()
        for pid in map(int, listing.split()):
            if is_forker(pid):
                continue
            os.kill(pid, signal.SIGSTOP)
            status = Path(f"/proc/{pid}/status").read_text()
            # It has told the zygote all that it had to tell, and holds nothing of the machine.
            alone = len(os.listdir(f"/proc/{pid}/fd")) <= 6 and pid in processes("sandbox agent")
            if alone and "NoNewPrivs:\t0" in status and "State:\tT" in status:
                born.append(pid)
                return True
            os.kill(pid, signal.SIGCONT)
    return False


def swept(victim: Victim) -> bool:
    asyncio.run(start_and_close())
    return not any(map(os.path.exists, victim.groups))


async def start_and_close() -> None:
    engine = LocalEngine()
    await engine.start()
    await engine.close()


@pytest.mark.asyncio
async def test_when_the_zygote_dies_tasks_are_lost_and_calls_end(fresh: LocalEngine) -> None:
    task = await fresh.create(TaskSpec())
    process = await task.exec(ProcessSpec(("sleep", "1000")))
    watch = task.files.watch("/tmp")
    pending = [
        asyncio.ensure_future(process.wait()),
        asyncio.ensure_future(anext(watch)),
        asyncio.ensure_future(process.write_stdin(bytes(10_000_000))),
        asyncio.ensure_future(content(process.stdout)),
    ]
    await asyncio.sleep(0)
    os.kill(zygote_of(fresh), signal.SIGKILL)
    end = await asyncio.wait_for(task.wait(), 30)
    assert end.cause is EndCause.LOST
    assert "zygote" in end.detail
    results = await asyncio.wait_for(asyncio.gather(*pending, return_exceptions=True), 30)
    assert results[0] == ExitStatus(signal=signal.SIGKILL)
    assert isinstance(results[1], TaskEnded)
    assert isinstance(results[2], BrokenPipeError)
    assert results[3] == ""
    with pytest.raises(TaskEnded):
        await task.exec(ProcessSpec(("true",)))
    with pytest.raises(EngineUnavailable, match="gone"):
        await fresh.create(TaskSpec())


@pytest.mark.asyncio
async def test_when_its_agent_dies_a_task_is_lost_and_others_live(fresh: LocalEngine) -> None:
    other = await fresh.create(TaskSpec())
    before = set(children(zygote_of(fresh)))
    task = await fresh.create(TaskSpec())
    (agent,) = set(children(zygote_of(fresh))) - before
    pending = asyncio.ensure_future(task.files.listdir("/usr/share/doc"))
    await asyncio.sleep(0)
    os.kill(agent, signal.SIGKILL)
    end = await asyncio.wait_for(task.wait(), 30)
    assert end.cause is EndCause.LOST
    with suppress(TaskEnded):  # it may have been quicker
        await asyncio.wait_for(pending, 30)
    with pytest.raises(TaskEnded):
        await task.files.stat("/")
    assert (await shell(other, "echo fine")).out == "fine\n"


@pytest.mark.asyncio
async def test_a_closed_engine_leaves_no_process_mount_or_descriptor(
    mounted: Callable[[], set[str]],
) -> None:
    await start_and_close()  # whatever asyncio and Python open once
    before = descriptors()
    mounts, others = mounted(), children(os.getpid())
    engine = LocalEngine()
    await engine.start()
    zygote = zygote_of(engine)
    for _ in range(3):
        task = await engine.create(TaskSpec(main=ProcessSpec(("sleep", "1000"))))
        await task.files.open("/tmp/f", os.O_CREAT | os.O_RDWR)
        anext(task.files.watch("/tmp")).close()  # type: ignore[attr-defined]
    await engine.close()
    assert not processes_of(zygote)
    assert children(os.getpid()) == others
    assert mounted() == mounts
    await all_closed(before)


@pytest.mark.asyncio
async def test_many_live_sandboxes_are_created_and_ended(fresh: LocalEngine) -> None:
    tasks: list[Task] = await asyncio.gather(*(fresh.create(TaskSpec()) for _ in range(60)))
    names = await asyncio.gather(*(shell(task, "echo here") for task in tasks))
    assert {done.out for done in names} == {"here\n"}
    until(lambda: len(children(zygote_of(fresh))) == 60, "that of the start is gone")
    await asyncio.gather(*(task.kill() for task in tasks))
    until(lambda: not children(zygote_of(fresh)), "what has ended is gone")
    assert all(
        re.fullmatch("killed", str(end.cause.value)) for task in tasks if (end := task.poll())
    )
