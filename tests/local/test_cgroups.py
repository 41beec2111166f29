"""Control groups: limits are set, nothing stays behind, nothing of others is touched."""

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_sandbox.engine import EndCause, EngineInfo, Limits, TaskSpec, VolumeMount
from pytest_sandbox.local import LocalEngine, LocalOptions
from pytest_sandbox.local.kernel.cgroups import leftovers, mounted
from pytest_sandbox.local.kernel.cgroups.group_usage import GroupUsage
from pytest_sandbox.local.kernel.cgroups.groups import SandboxGroups
from pytest_sandbox.local.kernel.cgroups.hierarchy import Hierarchy
from pytest_sandbox.local.kernel.cgroups.kept_files import KeptFiles
from pytest_sandbox.local.kernel.cgroups.limits import CgroupLimits
from pytest_sandbox.local.kernel.cgroups.sandbox_group import SandboxGroup

from .conftest import exists, is_blank, is_forker, needs_root, shell, until


def test_only_empty_groups_are_removed(tmp_path: Path) -> None:
    group = tmp_path / "group"
    (group / "child").mkdir(parents=True)
    (group / "child" / "file").touch()
    assert not leftovers.remove(str(group))
    (group / "child" / "file").unlink()
    assert leftovers.remove(str(group))
    assert not group.exists()
    assert leftovers.remove(str(group))  # gone is gone


def test_groups_without_a_lock_are_swept_and_nothing_else(tmp_path: Path) -> None:
    others = ["pytest-sandbox", "other", "pytest-sandbox-1-x", "pytest-sandbox-1-0123456789"]
    for name in others:
        (tmp_path / name).mkdir()
    held = leftovers.make_locked(str(tmp_path / "pytest-sandbox-1-01234567"))
    left = leftovers.make_locked(str(tmp_path / "pytest-sandbox-1-89abcdef"))
    (tmp_path / "pytest-sandbox-1-89abcdef" / "zygote").mkdir()
    (tmp_path / "pytest-sandbox-1-89abcdef" / "sandboxes" / "1").mkdir(parents=True)
    os.close(left)
    leftovers.sweep(str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == sorted([*others, "pytest-sandbox-1-01234567"])
    os.close(held)
    leftovers.sweep(str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == sorted(others)


@pytest.mark.parametrize(
    ("root", "group", "folders"),
    [
        ("/", "/", ["/m"]),
        ("/", "/a/b", ["/m/a/b", "/m/a", "/m"]),
        ("/docker/x", "/docker/x", ["/m"]),
        ("/docker/x", "/docker/x/y", ["/m/y", "/m"]),
        ("/docker/x", "/elsewhere", ["/m"]),
    ],
)
def test_our_groups_folder_is_found_whatever_is_mounted(
    root: str, group: str, folders: list[str]
) -> None:
    assert mounted.folders_upwards("/m", root, group) == folders


def test_limits_of_both_versions() -> None:
    limits = CgroupLimits(processes=7, memory=4096, cpus=1.5).files()
    assert limits["pids"][1] == limits["pids"][2] == {"pids.max": "7"}
    assert limits["memory"][2]["memory.max"] == "4096"
    assert limits["cpu"][2] == {"cpu.max": "150000 100000"}
    assert limits["cpu"][1] == {"cpu.cfs_quota_us": "150000"}


class Version2:
    """A folder that behaves like a group of version 2, as far as names of controllers go."""

    def __init__(self, top: Path, available: str, enabled: str) -> None:
        self.top = top
        self._mkdir = os.mkdir
        self.fill(top, available, enabled)

    def fill(self, group: Path, available: str, enabled: str) -> None:
        for name, text in (("controllers", available), ("subtree_control", enabled), ("procs", "")):
            (group / f"cgroup.{name}").write_text(text)

    def mkdir(self, path: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        self._mkdir(path, mode, dir_fd=dir_fd)
        group = Path(path if dir_fd is None else f"/proc/self/fd/{dir_fd}/{path}")
        self.fill(group, (group.parent / "cgroup.subtree_control").read_text(), "")

    def hierarchies(self, wanted: object) -> list[mounted.MountedHierarchy]:
        controllers = (self.top / "cgroup.controllers").read_text().split()
        return [mounted.MountedHierarchy(2, controllers, [str(self.top)])]


@pytest.mark.parametrize("enabled", ["", "pids"])
def test_version_2_says_where_a_controller_is_not_enabled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, enabled: str
) -> None:
    """A group with processes in it, as that of a container, cannot pass controllers on."""
    kernel = Version2(tmp_path, "pids memory", enabled)
    monkeypatch.setattr(os, "mkdir", kernel.mkdir)
    monkeypatch.setattr(mounted, "find", kernel.hierarchies)

    groups = SandboxGroups(1 << 30)

    assert groups.controllers == enabled.split()
    refused = {"memory", "pids", "cpu"} - {*enabled.split()}
    assert groups.refused.keys() == refused
    for name in refused - {"cpu"}:
        assert f"{tmp_path}/cgroup.subtree_control" in groups.refused[name]
    assert groups.refused["cpu"] == "this machine has no such cgroup controller mounted"


def test_a_value_that_the_kernel_refuses_is_named_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").touch()
    hierarchy = Hierarchy(2, ["memory"], str(tmp_path), str(tmp_path))
    (Path(hierarchy.path) / "sandboxes").mkdir()
    (Path(hierarchy.path) / "sandboxes/memory.max").symlink_to("/dev/full")

    with pytest.raises(OSError, match="No space left on device, for the value '7'") as caught:
        hierarchy.bound_memory(7)

    assert caught.value.filename == f"{hierarchy.path}/sandboxes/memory.max"


async def nothing_stays_of(engine: LocalEngine) -> None:
    groups = list(engine.factory.zygote.cgroups)
    await engine.close()
    assert not [group for group in groups if exists(group)]


async def started() -> LocalEngine:
    engine = LocalEngine(LocalOptions(pool=False))  # nothing but what tests create has groups
    info: EngineInfo = await engine.start()
    if {"pids", "memory"} - set(engine.factory.zygote.controllers):
        await engine.close()
        pytest.skip(f"not all cgroup controllers are here: {info.details}")
    until(lambda: not used_in(engine), "the trial sandbox is gone")
    return engine


def groups_in(engine: LocalEngine) -> set[str]:
    """Paths of all groups of sandboxes."""
    return {
        entry.path
        for group in engine.factory.zygote.cgroups
        for entry in os.scandir(f"{group}/sandboxes")
        if entry.is_dir()
    }


def members(group: str) -> str:
    return Path(group, "cgroup.procs").read_text()


def children(pid: int) -> list[int]:
    found = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return [child for child in found if not is_forker(child) and not is_blank(child)]


def groups_of(pid: int) -> set[str]:
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return {line for line in lines if "pytest-sandbox-" in line}


def used_in(engine: LocalEngine) -> set[str]:
    return {group for group in groups_in(engine) if members(group)}


@needs_root
@pytest.mark.asyncio
async def test_groups_are_made_once_for_sandboxes_one_after_the_other() -> None:
    engine = await started()
    spec = TaskSpec(limits=Limits(processes=50))
    task = await engine.create(spec)
    first = used_in(engine)
    assert first
    await task.kill()
    await task.usage()  # which is known once nothing is left of it
    all_groups = groups_in(engine)
    for _ in range(5):
        task = await engine.create(spec)
        assert used_in(engine) == first
        await task.kill()
        await task.usage()  # which is known once nothing is left of it
    until(lambda: groups_in(engine) == all_groups, "there are no more than before")
    await nothing_stays_of(engine)


@needs_root
@pytest.mark.asyncio
async def test_what_an_earlier_sandbox_used_is_not_that_of_the_next_one_in_its_groups() -> None:
    mine = await started()
    greedy = await mine.create(TaskSpec())
    await shell(
        greedy, "for i in $(seq 30); do sleep 100 & done; head -c 30000000 /dev/zero | tail -c 1"
    )
    await greedy.kill()
    used = await greedy.usage()
    modest = await mine.create(TaskSpec())
    await modest.kill()
    less = await modest.usage()
    await mine.close()
    assert used.peak_processes is None or used.peak_processes > 30
    assert less.peak_processes is None or less.peak_processes < 16
    assert used.cpu_seconds is not None
    assert less.cpu_seconds is not None
    assert less.cpu_seconds < used.cpu_seconds
    if used.peak_memory is not None and less.peak_memory is not None:
        assert less.peak_memory < used.peak_memory


def test_nor_is_the_time_that_its_end_took() -> None:
    """It is counted when it is killed, and in version 2 its groups count on."""
    seconds = [2.0]
    unified: Any = SimpleNamespace(
        version=2,
        cpu_seconds=lambda _: seconds[0],
        count=lambda *_: 0,
        oom_kills=lambda _: 0,
        reset_memory_peak=lambda _: False,
    )
    groups: Any = SandboxGroups.__new__(SandboxGroups)
    groups._hierarchies, groups._spare = [unified], []
    groups._by_controller = {"memory": unified, "pids": unified}
    group = SandboxGroup("1", CgroupLimits(10, 1 << 20, None, None), {})
    assert groups.figures(group).cpu_seconds == 2.0
    seconds[0] = 5.0
    groups.dismiss(group)
    assert groups.make(group.limits) is group
    seconds[0] = 5.5
    assert groups.figures(group).cpu_seconds == 0.5


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (None, 5, 5),
        (20, 21, 21),
        (20, 20, None),
        (10, 10, 10),
        (10, None, None),
    ],
)
def test_the_most_processes_of_a_group_that_was_used_before(
    before: int | None, now: int | None, told: int | None
) -> None:
    assert GroupUsage(processes=now).since(GroupUsage(processes=before)).processes == told
    assert GroupUsage(memory=5).since(GroupUsage(memory=0)).memory == 5
    assert GroupUsage(memory=5).since(GroupUsage(memory=5)).memory is None
    assert GroupUsage(3.5).since(GroupUsage(1.0)).cpu_seconds == 2.5


@needs_root
@pytest.mark.asyncio
async def test_few_groups_of_sandboxes_that_are_gone_are_kept() -> None:
    engine = await started()
    hierarchies = len(engine.factory.zygote.cgroups)
    tasks = await asyncio.gather(*(engine.create(TaskSpec()) for _ in range(20)))
    assert len(used_in(engine)) >= 20
    await asyncio.gather(*(task.kill() for task in tasks))
    until(lambda: len(groups_in(engine)) <= 16 * hierarchies, "the others are removed")
    await nothing_stays_of(engine)


@needs_root
@pytest.mark.asyncio
async def test_sandboxes_and_the_zygote_are_in_no_group_together() -> None:
    """Its priority would take their share of the processors."""
    engine = await started()
    task = await engine.create(TaskSpec())
    zygote = engine.factory.zygote.pid
    (agent,) = children(zygote)
    of_zygote, of_agent = groups_of(zygote), groups_of(agent)
    assert len(of_agent) == len(of_zygote) == len(engine.factory.zygote.cgroups)
    assert not of_agent & of_zygote
    await task.kill()
    await engine.close()


@needs_root
@pytest.mark.asyncio
async def test_a_sandbox_gets_groups_with_its_own_limits_only() -> None:
    engine = await started()
    for limit in (50, 60):
        task = await engine.create(TaskSpec(limits=Limits(processes=limit)))
        files = [Path(group, "pids.max") for group in used_in(engine)]
        # PID 1 and a job of it count too.
        assert [int(file.read_text()) for file in files if file.exists()] == [limit + 2]
        await task.kill()
        await task.usage()  # which is known once nothing is left of it
    await engine.close()


@needs_root
@pytest.mark.asyncio
async def test_no_sandbox_pays_for_memory_that_another_left_behind() -> None:
    """What was written to a volume counts in the groups of the sandbox that wrote it."""
    engine = await started()
    mount = VolumeMount("v", "/volume")
    spec = TaskSpec(limits=Limits(memory=64 << 20), volumes=(mount,))
    task = await engine.create(spec)
    first = used_in(engine)
    await shell(task, "head -c 40M /dev/zero >/volume/f")
    await task.kill()
    task = await engine.create(spec)
    assert not used_in(engine) & first
    done = await shell(task, "head -c 40M /dev/zero >/tmp/f && echo written")
    assert done.out == "written\n", done.err
    await task.kill()
    await engine.forget_volume("v")
    await engine.close()


@needs_root
@pytest.mark.asyncio
async def test_no_sandbox_is_taken_for_one_that_ran_out_of_memory() -> None:
    engine = await started()
    spec = TaskSpec(limits=Limits(memory=64 << 20))
    task = await engine.create(spec)
    await shell(task, "head -c 200M /dev/zero | tail")
    await task.kill()
    for _ in range(3):
        task = await engine.create(spec)
        await task.kill()
        end = await task.wait()
        assert end.cause is EndCause.KILLED
    await engine.close()


@pytest.mark.asyncio(loop_scope="module")
async def test_the_groups_of_the_machine_do_not_show(engine: LocalEngine) -> None:
    task = await engine.create(TaskSpec())
    done = await shell(task, "cat /proc/self/cgroup")
    await task.kill()
    assert "pytest-sandbox" not in done.out


def test_files_that_stay_open_are_read_anew_and_are_few(tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "count").write_text("1")
    folder = os.open(tmp_path, os.O_RDONLY)
    files = KeptFiles(folder)
    before = len(os.listdir("/proc/self/fd"))

    assert {files.read(f"{number}/count") for number in range(200)} == {"1"}
    (tmp_path / "199" / "count").write_text("2")
    assert files.read("199/count") == "2"
    files.write("199/count", "3")
    assert (tmp_path / "199" / "count").read_text() == "3"

    assert 10 < len(os.listdir("/proc/self/fd")) - before <= 128
    for number in range(200):
        files.forget(str(number))
    assert len(os.listdir("/proc/self/fd")) == before
    os.close(folder)
