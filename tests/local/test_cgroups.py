"""Control groups: limits are set, nothing stays behind, nothing of others is touched."""

import os
from pathlib import Path

import pytest

from pytest_sandbox.engine import EngineInfo, Limits, TaskSpec
from pytest_sandbox.local import LocalEngine
from pytest_sandbox.local.kernel.cgroups import leftovers, mounted
from pytest_sandbox.local.kernel.cgroups.limits import CgroupLimits

from .conftest import exists, needs_root, shell


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


def groups_of(engine: LocalEngine) -> list[str]:
    return list(engine.factory.zygote.cgroups)


@needs_root
@pytest.mark.asyncio
async def test_groups_go_with_their_sandbox_and_with_the_engine() -> None:
    engine = LocalEngine()
    info: EngineInfo = await engine.start()
    if not groups_of(engine):
        pytest.skip(f"no cgroup controller here: {info.details}")
    groups = groups_of(engine)
    task = await engine.create(TaskSpec(limits=Limits(processes=50)))
    # 1 was the trial.
    assert [group for group in groups if exists(f"{group}/sandboxes/2")]
    await task.kill()
    assert not [group for group in groups if exists(f"{group}/sandboxes/2")]
    await engine.close()
    assert not [group for group in groups if exists(group)]


@pytest.mark.asyncio(loop_scope="module")
async def test_the_groups_of_the_machine_do_not_show(engine: LocalEngine) -> None:
    task = await engine.create(TaskSpec())
    done = await shell(task, "cat /proc/self/cgroup")
    await task.kill()
    assert "pytest-sandbox" not in done.out
