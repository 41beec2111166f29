"""Whoever is killed, and when: nothing survives, and every call ends."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio

from pytest_sandbox.engine import (
    EndCause,
    EngineUnavailable,
    ExitStatus,
    ProcessSpec,
    Task,
    TaskEnded,
    TaskSpec,
)
from pytest_sandbox.local import LocalEngine, LocalOptions, Mode
from pytest_sandbox.local.engine.links import agent_link

from .conftest import (
    all_closed,
    content,
    descriptors,
    is_blank,
    is_forker,
    is_running,
    needs_root,
    processes,
    shell,
    until,
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
from pytest_sandbox.local.engine.links import agent_link

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


def children(parent: int) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError):
                stat = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
                ours = is_forker(int(name)) or is_blank(int(name))
                if int(stat[1]) == parent and not ours:
                    found.append(int(name))
    return found


def only_child(parent: int) -> int:
    """The child that stays; one that was killed may not be gone yet."""
    until(lambda: len(children(parent)) == 1, "the others are gone")
    return children(parent)[0]


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
from pytest_sandbox.local.engine.links import agent_link

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


@pytest_asyncio.fixture
async def fresh() -> AsyncIterator[LocalEngine]:
    engine = LocalEngine(LocalOptions(pool=False))  # no processes but those of what tests create
    await engine.start()
    yield engine
    await engine.close()


def zygote_of(engine: LocalEngine) -> int:
    return engine.factory.zygote.pid


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
async def test_a_program_cannot_kill_its_agent(fresh: LocalEngine) -> None:
    task = await fresh.create(TaskSpec())
    done = await shell(task, "kill -9 1; kill -TERM 1; kill -INT 1; kill -CHLD 1; echo alive")
    assert done.out == "alive\n"
    assert task.poll() is None


@pytest.mark.asyncio
async def test_a_job_that_is_killed_inside_is_an_error_of_that_call(fresh: LocalEngine) -> None:
    task = await fresh.create(TaskSpec())
    watch = task.files.watch("/tmp")
    pending = asyncio.ensure_future(anext(watch))
    # The job is a child of PID 1 that runs no program of its own.
    script = (
        "for p in /proc/[0-9]*; do n=${p#/proc/}; test $n != 1 || continue; "
        "grep -q '^pytest-sandbox' $p/cmdline 2>/dev/null && kill -9 $n && exit; done; exit 1"
    )
    while (await shell(task, script)).code != 0:
        pass
    with pytest.raises(OSError, match="the file job in the sandbox was killed"):
        await asyncio.wait_for(pending, 30)
    assert (await shell(task, "echo fine")).out == "fine\n"


@pytest.mark.asyncio
@pytest.mark.parametrize("seconds", [1, 1000])
async def test_a_job_that_is_stopped_inside_goes_on_or_is_an_error_of_that_call(
    fresh: LocalEngine, seconds: int
) -> None:
    """Once stopped it is resumed; if that happens for ever, it is killed."""
    task = await fresh.create(TaskSpec())
    watch = task.files.watch("/tmp")
    pending = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0)
    while not (await shell(task, f"{JOBS} test $n = 1 || echo $n; done")).out:
        pass
    if seconds == 1:
        assert (await shell(task, f"{JOBS} test $n = 1 || kill -STOP $n; done")).code == 0
        await task.files.mkdir("/tmp/x")
        assert (await asyncio.wait_for(pending, 30)).paths == ("/tmp/x",)
    else:
        script = f"while :; do {JOBS} test $n = 1 || kill -STOP $n || exit; done; done"
        stopping = asyncio.ensure_future(shell(task, script))
        with pytest.raises(OSError, match="the file job in the sandbox was killed"):
            await asyncio.wait_for(pending, 60)
        stopping.cancel()
    await task.kill()


#: Says which children of PID 1 run no program of their own, and PID 1; to be continued.
JOBS = (
    "for p in /proc/[0-9]*; do n=${p#/proc/}; "
    "grep -q '^pytest-sandbox' $p/cmdline 2>/dev/null || continue;"
)


@pytest.mark.asyncio
@pytest.mark.parametrize("call", ["exec", "signal", "stat", "listdir", "snapshot", "connect"])
async def test_an_agent_that_does_not_answer_ends_its_sandbox(
    fresh: LocalEngine, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """As one whose child a program stops between vfork(2) and execve(2)."""
    monkeypatch.setattr(agent_link, "ANSWER_TIMEOUT", 0.2)
    monkeypatch.setattr(agent_link, "PAUSE_TIMEOUT", 0.0)
    task = await fresh.create(TaskSpec())
    process = await task.exec(ProcessSpec(("sleep", "1000")))
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "exec": lambda: task.exec(ProcessSpec(("true",))),
        "signal": lambda: process.signal(signal.SIGKILL),
        "stat": lambda: task.files.stat("/"),
        "listdir": lambda: task.files.listdir("/"),
        "snapshot": lambda: task.snapshot(),
        "connect": lambda: task.connect(80),
    }
    agent = only_child(zygote_of(fresh))
    os.kill(agent, signal.SIGSTOP)

    with suppress(TaskEnded):
        await asyncio.wait_for(calls[call](), 30)

    end = await asyncio.wait_for(task.wait(), 30)
    assert end.cause is EndCause.LOST
    assert end.detail == (
        "its agent did not answer for 0.2 seconds: a program in the sandbox stops what it starts, "
        "or leaves it no time"
    )
    assert await asyncio.wait_for(process.wait(), 30) == ExitStatus(signal=signal.SIGKILL)


@pytest.mark.asyncio
async def test_an_engine_that_was_stopped_itself_blames_no_agent(
    fresh: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_link, "ANSWER_TIMEOUT", 0.2)
    task = await fresh.create(TaskSpec())
    pending = [asyncio.ensure_future(task.files.stat("/")) for _ in range(3)]
    await asyncio.sleep(0)
    time.sleep(0.5)  # noqa: ASYNC251 - stops the event loop, and so the engine
    assert [(await each).path for each in pending] == ["/"] * 3
    await asyncio.sleep(0.3)
    assert task.poll() is None


#: Starts programs as the agent does, and stops all that there is.
STOPPING = """
import os, signal, time
end = time.monotonic() + 60
print("begins", flush=True)
while time.monotonic() < end:
    try:
        os.kill(-1, signal.SIGSTOP)
    except ProcessLookupError:
        pass
"""


@pytest.mark.asyncio
@pytest.mark.parametrize("moded", [Mode.ROOT_SHIFTED, Mode.ROOT_PLAIN, Mode.SINGLE], indirect=True)
async def test_a_program_that_stops_all_others_holds_no_call_for_long(moded: LocalEngine) -> None:
    """What the agent waits for in the kernel is resumed from outside, or killed."""
    task = await moded.create(TaskSpec())
    stopping = await task.exec(ProcessSpec((sys.executable, "-c", STOPPING)))
    assert await stopping.stdout.read(0) == b"begins\n"
    slow = 0
    while slow < 3:
        began = time.monotonic()
        process = await task.exec(ProcessSpec(("sleep", "1000")))
        await process.signal(signal.SIGKILL)
        assert await process.wait() == ExitStatus(signal=signal.SIGKILL)
        took = time.monotonic() - began
        assert took < 5  # 0.75 on an idle machine; the sandbox would be ended after 10
        slow += took > 0.2
    assert task.poll() is None


#: Leaves the first processor no time.
CROWD = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
for number in range(100):
    if os.fork() == 0:
        while True:
            pass
print("busy", flush=True)
os.wait()
"""


@needs_root
@pytest.mark.asyncio
@pytest.mark.parametrize("by", ["kill", "close"])
async def test_a_sandbox_ends_although_its_pid_1_gets_no_time_to_end(
    fresh: LocalEngine, by: str
) -> None:
    """What is left of it 0.5 seconds after it was killed is killed from outside."""
    task = await fresh.create(TaskSpec())
    crowd = await task.exec(ProcessSpec((sys.executable, "-c", CROWD)))
    assert await crowd.stdout.read(0) == b"busy\n"
    agent = only_child(zygote_of(fresh))
    os.sched_setaffinity(agent, {min(os.sched_getaffinity(agent))})
    os.sched_setscheduler(agent, os.SCHED_IDLE, os.sched_param(0))

    if by == "kill":
        await asyncio.wait_for(task.kill(), 10)
    else:
        os.kill(zygote_of(fresh), signal.SIGTERM)
        await asyncio.wait_for(task.wait(), 10)


@pytest.mark.asyncio
async def test_programs_do_not_put_pid_1_behind_themselves(moded: LocalEngine) -> None:
    """By the group of the scheduler that it is in: sched(7), "The autogroup feature"."""
    task = await moded.create(TaskSpec())
    await shell(task, "echo 19 > /proc/1/autogroup")
    assert "nice 19" not in (await shell(task, "cat /proc/1/autogroup")).out


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
