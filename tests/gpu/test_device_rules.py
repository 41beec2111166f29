"""Which devices a group of a sandbox may open, by either version of cgroups."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_sandbox.local.kernel.cgroups import mounted
from pytest_sandbox.local.kernel.cgroups.device_rules import (
    attach_filter,
    control_files,
    filter_program,
)
from pytest_sandbox.local.kernel.cgroups.limits import CgroupLimits

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


@pytest.fixture(params=[1, 2])
def group(request: pytest.FixtureRequest) -> Iterator[tuple[int, Path]]:
    found = [each for each in mounted.find(("devices",)) if each.version == request.param]
    if not found:
        pytest.skip(f"the engine cannot do this here: gpu devices by cgroups {request.param}")
    path = Path(found[0].folders[0], f"pytest-sandbox-devices-{os.getpid()}")
    path.mkdir()
    yield request.param, path
    path.rmdir()


@needs_root
def test_the_kernel_refuses_other_devices(group: tuple[int, Path]) -> None:
    version, path = group
    members = "tasks" if version == 1 else "cgroup.procs"
    assert opened(path, members, "/dev/kmsg")
    allow([], version, path)

    assert not opened(path, members, "/dev/kmsg")
    assert opened(path, members, "/dev/null")
    assert opened(path, members, "/dev/urandom")


@needs_root
def test_the_kernel_allows_its_own(group: tuple[int, Path]) -> None:
    version, path = group
    allow([(1, 11)], version, path)

    assert opened(path, "tasks" if version == 1 else "cgroup.procs", "/dev/kmsg")


def allow(gpus: list[tuple[int, int]], version: int, path: Path) -> None:
    if version == 1:
        for name, text in control_files(gpus).items():
            for line in text.split("\n"):
                (path / name).write_text(line)
    else:
        fd = os.open(path, os.O_RDONLY)
        attach_filter(fd, gpus)
        os.close(fd)
