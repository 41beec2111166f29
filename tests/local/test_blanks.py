"""Blanks: PIDs 1 that are forked ahead, and are shown in nothing but time."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from pytest_sandbox.engine import (
    Limits,
    Network,
    ProcessSpec,
    Snapshot,
    Task,
    TaskSpec,
    VolumeMount,
)
from pytest_sandbox.local import LocalEngine, LocalOptions, Mode
from pytest_sandbox.local.engine import blanks, spares
from pytest_sandbox.local.engine.activity import Activity
from pytest_sandbox.local.engine.blanks import Blanks
from pytest_sandbox.local.engine.machine import memory_shares

from .conftest import engine_in, is_blank, is_forker, is_running, processes, shell, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.asyncio

#: All that a program can find out about the sandbox it is in, but for what is new in each: numbers
#: of namespaces, mounts and devices, and times.
LOOK = r"""
exec 2>&1
pwd; uname -n; id; env | sort; ls -A / /root /tmp /dev /etc /srv
stat -c '%A %h %u %g %t:%T %N' /dev/*
# It blocks signals while it starts this. Nothing is started to see that: pids are counted below.
until while read -r key value; do [ "$key" = SigBlk: ] && break; done < /proc/1/status
    case "$value" in *[!0]*) false;; esac; do :; done
grep -E '^(Name|Umask|P*Pid|[UG]id|FDSize|Gr|Thr|Sig[PBIC]|Shd|Cap|NoNew|Sec)' /proc/1/status
tr '\0' ' ' < /proc/1/cmdline; cat /proc/1/limits /proc/self/limits /proc/self/cgroup
cut -d' ' -f4- /proc/self/mountinfo | sed 's/[0-9a-f]*:[0-9a-f]*/:/; s/id=[0-9]*/id=/g'
cut -d' ' -f2- /proc/mounts | sed 's/id=[0-9]*/id=/g'
cat /proc/sys/kernel/shmmax /proc/sys/kernel/msgmni /proc/sys/kernel/sem
cat /sys/class/net/lo/flags /etc/hosts /etc/hostname /etc/resolv.conf
echo $$; ls -d /proc/[0-9]*; cat /proc/sys/kernel/ns_last_pid
ls -l /proc/self/fd | wc -l
mount -t tmpfs x /mnt; chroot / true; cat /proc/1/environ; touch /proc/sys/kernel/x /sys/x
"""


@pytest.fixture(autouse=True)
def no_spares(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool would have what these tests create more than once."""
    monkeypatch.setattr(spares, "_SOON", -1.0)


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[LocalEngine]:
    engine = LocalEngine()
    await engine.start()
    yield engine
    await engine.close()


def children_of(engine: LocalEngine) -> list[int]:
    zygote = engine.factory.zygote.pid
    try:
        return [*map(int, Path(f"/proc/{zygote}/task/{zygote}/children").read_text().split())]
    except OSError:
        return []


def blanks_of(engine: LocalEngine) -> list[int]:
    return [*filter(is_blank, children_of(engine))]


def forker_of(engine: LocalEngine) -> int:
    (forker,) = filter(is_forker, children_of(engine))
    return forker


async def a_blank(engine: LocalEngine) -> int:
    """The blank, which is made once the engine has had a moment of rest."""
    await eventually(lambda: len(blanks_of(engine)) == 1)
    return blanks_of(engine)[0]


async def eventually(condition: Callable[[], bool]) -> None:
    deadline = asyncio.get_running_loop().time() + 30
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it never happened"
        await asyncio.sleep(0.002)


async def image_of(engine: LocalEngine, script: str = "echo x > /srv/x; rm /etc/issue") -> Snapshot:
    task = await engine.create(TaskSpec())
    assert (await shell(task, script)).code == 0
    return await task.snapshot(end=True)


async def look(task: Task) -> list[str]:
    return (await shell(task, LOOK)).out.splitlines()


async def began_with(pid: int, task: Task) -> bool:
    """Whether a blank has become PID 1 of a sandbox, which is the latest."""
    assert (await shell(task, "true")).code == 0  # it serves
    return pid in processes("pytest-sandbox agent")


KINDS: dict[str, Callable[[Snapshot], TaskSpec]] = {
    "host": lambda image: TaskSpec(),
    "restored": lambda image: TaskSpec(image=image),
    "with a network": lambda image: TaskSpec(network=Network()),
    "with a volume": lambda image: TaskSpec(volumes=(VolumeMount("v", "/a/v"),)),
    "with the project": lambda image: TaskSpec(project=True),
    "with a name and a folder": lambda image: TaskSpec(hostname="kind", workdir="/some/where"),
    "with all of it": lambda image: TaskSpec(
        image=image,
        network=Network(),
        project=True,
        volumes=(VolumeMount("v", "/a/v", read_only=True),),
        hostname="kind",
        workdir="/some/where",
        exit_snapshot=True,
    ),
}


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name.lower())
async def test_what_was_a_blank_is_like_any_other(mode: Mode, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("of the project")
    async with engine_in(mode, project=str(tmp_path)) as engine:
        image = await image_of(engine)
        for kind, spec_of in KINDS.items():
            spec = spec_of(image)
            engine.factory._blanks.drop()
            fresh = await engine.create(spec)  # which comes before another blank
            blank = await a_blank(engine)
            once = await engine.create(spec)

            assert await began_with(blank, once), kind
            await shell(fresh, "true")  # as in the other one
            assert await look(once) == await look(fresh), kind
            await fresh.kill()
            await once.kill()


def stat(pid: int) -> list[str]:
    """The fields of proc_pid_stat(5) from the third on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


async def copied_pages(pid: int) -> int:
    """How many pages a process has copied, or was given by the kernel, once it waits.

    Without a processor it is "R", as when it runs, and "D" while the kernel works for it.
    """
    await eventually(lambda: stat(pid)[0] == "S")
    return int(stat(pid)[7])  # minflt


async def test_it_has_done_ahead_what_a_restored_one_takes_too(engine: LocalEngine) -> None:
    image, counts = await image_of(engine), []
    for spec in (TaskSpec(), TaskSpec(image=image)):
        engine.factory._blanks.drop()
        await (await engine.create(TaskSpec())).kill()
        blank = await a_blank(engine)
        before = await copied_pages(blank)
        task = await engine.create(spec)
        assert task.was_blank
        counts.append(await copied_pages(blank) - before)
        await task.kill()
    host, restored = counts
    assert restored < host + 40, counts


async def test_the_first_sandbox_of_an_engine_begins_with_it_and_another_is_made(
    engine: LocalEngine,
) -> None:
    blank = await a_blank(engine)
    task = await engine.create(TaskSpec(main=ProcessSpec(("sleep", "600"))))
    assert await began_with(blank, task)
    await eventually(lambda: blanks_of(engine) not in ([], [blank]))
    await task.kill()
    assert not is_running(blank)


async def test_one_of_a_forker_that_has_forked_nothing_else_hears_of_ends_of_programs(
    engine: LocalEngine,
) -> None:
    """Only the forker has the handlers of signals: what it is forked with has none."""
    killed = {await a_blank(engine), forker_of(engine)}
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    await eventually(lambda: killed.isdisjoint(children_of(engine)))
    factory = engine.factory
    factory.zygote.keep_blank(*factory._limits_of(TaskSpec()))
    blank = await a_blank(engine)
    task = await engine.create(TaskSpec())
    assert await asyncio.wait_for(began_with(blank, task), 30)


async def test_those_for_whom_nobody_waits_leave_it(engine: LocalEngine) -> None:
    blank = await a_blank(engine)
    await engine.prepare(TaskSpec())
    (making,) = engine.factory.pool.tasks
    await asyncio.shield(making)
    assert blanks_of(engine) == [blank]


async def test_it_has_the_limits_of_the_latest_sandbox_and_is_for_no_others(
    engine: LocalEngine,
) -> None:
    blank = await a_blank(engine)
    spec = TaskSpec(limits=Limits(processes=17))
    task = await engine.create(spec)
    assert not await began_with(blank, task)
    await eventually(lambda: blanks_of(engine) not in ([], [blank]))

    (blank,) = blanks_of(engine)
    assert await began_with(blank, await engine.create(spec))


async def test_a_blank_that_is_killed_fails_nothing(engine: LocalEngine) -> None:
    for _ in range(3):
        blank = await a_blank(engine)
        os.kill(blank, signal.SIGKILL)
        until(lambda blank=blank: not is_running(blank), "it has ended")  # type: ignore[misc]
        task = await engine.create(TaskSpec())
        assert (await shell(task, "echo fine")).out == "fine\n"
        await task.kill()
        await eventually(lambda blank=blank: blanks_of(engine) not in ([], [blank]))  # type: ignore[misc]


async def test_a_blank_that_is_killed_as_it_is_taken_fails_nothing(engine: LocalEngine) -> None:
    blank = await a_blank(engine)
    os.kill(blank, signal.SIGSTOP)  # it has been told, and does not know yet
    spec = TaskSpec(main=ProcessSpec(("echo", "once")), exit_snapshot=True)
    making = asyncio.ensure_future(engine.create(spec))
    await eventually(lambda: blank in engine.factory.zygote._pids.values())
    os.kill(blank, signal.SIGKILL)
    task = await asyncio.wait_for(making, 30)
    assert task.main is not None
    assert await task.main.stdout.read(0) == b"once\n"
    await task.kill()
    assert await task.exit_snapshot() is not None


@pytest.mark.parametrize("end", ["close", "kill"])
async def test_it_ends_with_the_engine(end: str) -> None:
    engine = LocalEngine()
    await engine.start()
    blank = await a_blank(engine)
    if end == "kill":
        os.kill(engine.factory.zygote.pid, signal.SIGKILL)
    await engine.close()
    until(lambda: not is_running(blank), "the blank is gone")


async def test_there_is_none_without_a_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = LocalEngine(LocalOptions(pool=False))
    await engine.start()
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(engine.factory.zygote, "keep_blank", lambda *limits: asked.append(limits))
    await engine.create(TaskSpec())
    await asyncio.sleep(0.02)
    assert (asked, blanks_of(engine)) == ([], [])
    await engine.close()


@pytest.mark.parametrize("large", [False, True])
async def test_it_holds_no_layer_and_no_volume_that_is_given_up(
    engine: LocalEngine, large: bool
) -> None:
    write = f"head -c {8 << 20 if large else 8} /dev/zero"
    image = await image_of(engine, f"{write} > /srv/x")
    task = await engine.create(TaskSpec(volumes=(VolumeMount("v", "/v"),)))
    assert (await shell(task, f"{write} > /v/x")).code == 0
    await task.kill()
    for thing in ("image", "volume"):
        engine.factory._blanks.drop()
        await (await engine.create(TaskSpec())).kill()
        blank = await a_blank(engine)
        path = "/layers/1" if thing == "image" else "/volumes/1"
        assert path in mounted(blank)
        await (engine.forget(image) if thing == "image" else engine.forget_volume("v"))
        await eventually(lambda blank=blank, path=path: path not in mounted(blank))  # type: ignore[misc]
        if large:  # to free much takes a while, so it does that itself
            await eventually(lambda blank=blank: not is_running(blank))  # type: ignore[misc]
        else:
            assert is_running(blank)


def mounted(pid: int) -> list[str]:
    try:
        lines = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    except OSError:  # it is gone, or about to be
        return []
    return [line.split()[4] for line in lines]


async def test_without_ids_of_its_own_it_becomes_what_is_in_its_stage() -> None:
    async with engine_in(Mode.ROOT_SHARED) as engine:
        before = await image_of(engine)
        engine.factory._blanks.drop()
        await (await engine.create(TaskSpec())).kill()
        blank = await a_blank(engine)
        later = await image_of_one_more(engine)
        for image, began in ((later, False), (before, True)):
            task = await engine.create(TaskSpec(image=image))
            assert (await shell(task, "cat /srv/x")).out == "x\n"
            assert await began_with(blank, task) is began
            await task.kill()


async def image_of_one_more(engine: LocalEngine) -> Snapshot:
    """An image, of a sandbox that was no blank."""
    task = await engine.factory.build(TaskSpec(), awaited=False)
    await shell(task, "echo x > /srv/x")
    return await task.snapshot(end=True)


async def test_it_gives_its_room_to_what_is_asked_for(engine: LocalEngine) -> None:
    blank = await a_blank(engine)
    assert await engine.factory.make_room()
    await eventually(lambda: not is_running(blank))
    assert not await engine.factory.make_room()


async def test_one_that_nothing_takes_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blanks, "_UNUSED", 0.05)
    engine = LocalEngine()
    await engine.start()
    blank = await a_blank(engine)
    await eventually(lambda: not is_running(blank))
    await engine.close()


class NotedZygote:
    """Stands in for a zygote, and notes what it is to do."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def keep_blank(self, *limits: Any) -> None:
        self.asked.append(limits)

    def drop_blank(self) -> None:
        self.asked.append("drop")


class NoneDue:
    are_due = False


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> tuple[NotedZygote, Activity, NoneDue, Blanks]:
    monkeypatch.setattr(blanks, "_IDLE_AFTER", 1e-4)
    monkeypatch.setattr(blanks, "_AFTER_FIRST", 1e-4)
    zygote, activity, due = NotedZygote(), Activity(), NoneDue()
    return zygote, activity, due, Blanks(zygote, activity, due)  # type: ignore[arg-type]


async def a_moment() -> None:
    """A hundred times as long as it takes until the engine is idle."""
    await asyncio.sleep(0.01)


async def test_none_is_made_while_something_is_under_way_or_a_spare_is_due(
    noted: tuple[NotedZygote, Activity, NoneDue, Blanks],
) -> None:
    zygote, activity, due, made = noted
    with activity:
        made.begin(1, 2, None)
        made.keep(3, 4, None)
        await a_moment()
        assert zygote.asked == []
    due.are_due = True
    await a_moment()
    assert zygote.asked == []
    due.are_due = False
    await a_moment()
    assert zygote.asked == [(3, 4, None)]


async def test_none_is_made_before_the_engine_has_started(
    noted: tuple[NotedZygote, Activity, NoneDue, Blanks],
) -> None:
    zygote, _, _, made = noted
    made.keep(1, 2, None)  # for a trial
    await a_moment()
    assert zygote.asked == []


async def test_none_is_made_while_memory_is_short_or_at_the_end(
    noted: tuple[NotedZygote, Activity, NoneDue, Blanks], monkeypatch: pytest.MonkeyPatch
) -> None:
    zygote, _, _, made = noted
    made.begin(1, 2, None)
    await a_moment()
    monkeypatch.setattr(memory_shares, "are_used_up", lambda: True)
    made.keep(1, 2, None)
    await a_moment()
    assert zygote.asked == [(1, 2, None), "drop"]
    monkeypatch.undo()
    made.keep(1, 2, None)
    made.close()
    await a_moment()
    assert zygote.asked == [(1, 2, None), "drop"]


async def test_one_waits_for_longer_after_the_first_sandbox_which_may_be_the_only_one(
    noted: tuple[NotedZygote, Activity, NoneDue, Blanks], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blanks, "_AFTER_FIRST", 1000.0)
    zygote, _, _, made = noted
    made.begin(1, 2, None)
    await a_moment()
    made.keep(3, 4, None)
    await a_moment()
    assert zygote.asked == [(1, 2, None)]
    made.keep(5, 6, None)
    await a_moment()
    assert zygote.asked == [(1, 2, None), (5, 6, None)]
    made.close()


async def test_what_is_made_when_the_engine_ends_has_none_made(
    noted: tuple[NotedZygote, Activity, NoneDue, Blanks],
) -> None:
    zygote, _, _, made = noted
    made.begin(1, 2, None)
    await a_moment()
    made.close()
    made.keep(3, 4, None)
    await a_moment()
    assert zygote.asked == [(1, 2, None)]
