"""Which devices a group of a sandbox may open, by either version of cgroups."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_sandbox.local.kernel.cgroups import mounted
from pytest_sandbox.local.kernel.cgroups.device_rules import (
    attach_filter,
    control_files,
    filter_program,
)
from pytest_sandbox.local.kernel.cgroups.hierarchy import Hierarchy
from pytest_sandbox.local.kernel.cgroups.limits import CgroupLimits
from pytest_sandbox.local.kernel.cgroups.sandbox_group import SandboxGroup

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def test_rules_of_version_1() -> None:
    files = control_files([(195, 0), (195, 255)])

    assert files["devices.deny"] == "a"
    rules = files["devices.allow"].split("\n")
    assert {"c 195:0 rw", "c 195:255 rw", "c 1:3 rw", "c 136:* rw", "c *:* m"} < {*rules}
    assert "devices" not in CgroupLimits(1, 1, None).files()
    assert CgroupLimits(1, 1, None, [(195, 0)]).files()["devices"][1]["devices.deny"] == "a"


def test_a_program_is_whole_instructions() -> None:
    assert len(filter_program([(195, 0)])) % 8 == 0
    assert len(filter_program([(195, 0)])) == len(filter_program([])) + 4 * 8


def opened(group: Path, members: str, path: str) -> bool:
    """Whether a process in a group can open a device."""
    pid = os.fork()
    if pid == 0:
        try:
            (group / members).write_text("0" if members == "tasks" else str(os.getpid()))
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        except PermissionError:
            os._exit(1)
        except BaseException:
            os._exit(2)
        os._exit(0)
    return {0: True, 1: False}[os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]


@pytest.fixture
def group_of_version_1() -> Iterator[Path]:
    found = [each for each in mounted.find(("devices",)) if each.version == 1]
    if not found:
        pytest.skip("the engine cannot do this here: gpu devices by cgroups of version 1")
    path = Path(found[0].folders[0], f"pytest-sandbox-devices-{os.getpid()}")
    path.mkdir()
    yield path
    path.rmdir()


@pytest.fixture
def version_2(tmp_path: Path) -> Iterator[Path]:
    """The group of this process in version 2, mounted here: many machines do not use it."""
    command = ("mount", "-t", "cgroup2", "none", str(tmp_path))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"cgroups of version 2 cannot be mounted: {done.stderr.strip()}")
    own = Path("/proc/self/cgroup").read_text().splitlines()
    yield tmp_path / next(line for line in own if line.startswith("0::")).removeprefix("0::/")
    subprocess.run(("umount", "--lazy", str(tmp_path)), check=True)  # files of it may be open


@needs_root
def test_by_version_1_the_kernel_refuses_other_devices(group_of_version_1: Path) -> None:
    assert opened(group_of_version_1, "tasks", "/dev/kmsg")
    for name, text in control_files([]).items():
        for line in text.split("\n"):
            (group_of_version_1 / name).write_text(line)

    assert not opened(group_of_version_1, "tasks", "/dev/kmsg")
    assert opened(group_of_version_1, "tasks", "/dev/null")
    assert opened(group_of_version_1, "tasks", "/dev/urandom")
    (group_of_version_1 / "devices.allow").write_text("c 1:11 rw")
    assert opened(group_of_version_1, "tasks", "/dev/kmsg")


@needs_root
def test_by_version_2_the_kernel_refuses_other_devices(version_2: Path) -> None:
    path = version_2 / f"pytest-sandbox-devices-{os.getpid()}"
    path.mkdir()
    try:
        assert opened(path, "cgroup.procs", "/dev/kmsg")
        fd = os.open(path, os.O_RDONLY)
        attach_filter(fd, [])
        os.close(fd)

        assert not opened(path, "cgroup.procs", "/dev/kmsg")
        assert opened(path, "cgroup.procs", "/dev/null")
        assert opened(path, "cgroup.procs", "/dev/urandom")
    finally:
        path.rmdir()


@needs_root
def test_the_group_of_a_sandbox_has_the_filter(version_2: Path) -> None:
    hierarchy = Hierarchy(2, [], str(version_2), str(version_2))
    Path(hierarchy.path, "sandboxes").mkdir()
    groups = []
    try:
        for name, gpus in (("none", None), ("other", [(1, 7)]), ("own", [(1, 7), (1, 11)])):
            group = SandboxGroup(name, CgroupLimits(1, 1, None, gpus), {hierarchy: {}})
            group.make()
            groups.append(group)

        folder = Path(hierarchy.path, "sandboxes")
        assert opened(folder / "none", "cgroup.procs", "/dev/kmsg")
        assert not opened(folder / "other", "cgroup.procs", "/dev/kmsg")
        assert opened(folder / "own", "cgroup.procs", "/dev/kmsg")
    finally:
        assert all(group.remove() for group in groups)
        hierarchy.leave()
