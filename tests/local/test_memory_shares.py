"""What may be used where no option says so: parts of the machine, or of the container."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_sandbox.local.engine.machine import memory_shares
from pytest_sandbox.local.engine.machine.usual_limits import usual_limits
from pytest_sandbox.local.kernel.cgroups import mounted
from pytest_sandbox.local.kernel.cgroups.mounted import MountedHierarchy
from pytest_sandbox.local.options import LocalOptions

MIB, GIB = 1 << 20, 1 << 30


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    memory_shares._machine.cache_clear()
    yield
    memory_shares._machine.cache_clear()


@pytest.mark.parametrize(
    ("version", "name"), [(1, "memory.limit_in_bytes"), (2, "memory.max")], ids=["v1", "v2"]
)
def test_the_smallest_bound_of_the_groups_above_counts(
    version: int, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = memory_shares.for_one_sandbox() * 2
    inner = tmp_path / "container" / "tests"
    inner.mkdir(parents=True)
    (inner / name).write_text("max\n" if version == 2 else "9223372036854771712\n")
    (inner.parent / name).write_text(f"{100 * MIB}\n")
    folders = [str(inner), str(inner.parent), str(tmp_path)]
    found = [MountedHierarchy(version, ["memory"], folders)]
    monkeypatch.setattr(mounted, "find", lambda _: found)
    memory_shares._machine.cache_clear()

    assert machine > 100 * MIB
    assert memory_shares.for_one_sandbox() == 50 * MIB
    assert memory_shares.for_all_sandboxes() == 80 * MIB
    assert memory_shares.for_disk() == 25 * MIB
    assert usual_limits(LocalOptions(processes=9), ["memory"]) == (
        "each sandbox: 50 MiB of memory, 25 MiB of disk, 9 processes and threads; "
        "all together: 80 MiB"
    )


def test_the_limits_in_words() -> None:
    options = LocalOptions(memory=3 * GIB, disk=GIB)
    assert usual_limits(options, ["pids", "memory"]).startswith(
        "each sandbox: 3.0 GiB of memory, 1.0 GiB of disk, 1024 processes and threads; all "
    )
    assert "3.0 GiB of memory, looked at four times a second" in usual_limits(options, ["pids"])
