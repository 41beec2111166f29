"""Leases of devices: exclusive, by memory, released by the kernel, fair and bounded."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_sandbox._shared.gpus.requests import parse
from pytest_sandbox.gpus import (
    GpuLease,
    GpusMissing,
    GpusTaken,
    GpusUnavailable,
    LeaseWanted,
    NoSuchLease,
    adopt_lease,
    take_lease,
    this_machine,
)

from .conftest import FakeMachine
from .programs import Holder, holding

LEASES: list[GpuLease] = []


@pytest.fixture(autouse=True)
def all_released() -> Iterator[None]:
    yield
    while LEASES:
        LEASES.pop().release()


def take(gpu: object, memory: int | None = None, wait: float = 0.0) -> GpuLease:
    LEASES.append(take_lease(this_machine(), LeaseWanted(parse(gpu), "this test", memory, wait)))
    return LEASES[-1]


def indexes(lease: GpuLease) -> list[int]:
    return [device.index for device in lease.devices]


def test_a_device_is_for_one_at_a_time(gpus: FakeMachine) -> None:
    first, second = take("H100"), take("H100")

    assert {*indexes(first), *indexes(second)} == {0, 1}
    with pytest.raises(GpusTaken, match=r"no 1 x H100 within 0 s: GPU 0 \(NVIDIA H100 80GB HBM3\)"):
        take("H100")
    first.release()
    first.release()
    assert take("H100").devices == first.devices


def test_all_or_nothing(gpus: FakeMachine) -> None:
    one = take("H100")

    with pytest.raises(GpusTaken):
        take("H100:2")
    one.release()
    assert indexes(take("H100:2")) == [0, 1]


@pytest.mark.parametrize(
    ("gpu", "expected"),
    [("L4", [2]), ("any:3", [0, 1, 2]), (["A100", "L4"], [2]), ("H100!", [0]), ("h100-80gb", [0])],
)
def test_kinds_counts_any_and_lists(gpus: FakeMachine, gpu: object, expected: list[int]) -> None:
    assert indexes(take(gpu)) == expected


def test_the_next_of_a_list_is_had_while_the_first_is_taken(gpus: FakeMachine) -> None:
    take("H100:2")

    assert indexes(take(["H100", "L4"])) == [2]


def test_by_memory_devices_are_shared(gpus: FakeMachine) -> None:
    leases = [take("L4", 10_000), take("L4", 10_000)]

    assert [indexes(each) for each in leases] == [[2], [2]]
    with pytest.raises(GpusTaken, match="1 x L4 with 10000 MiB"):
        take("L4", 10_000)
    with pytest.raises(GpusTaken):
        take("L4")
    leases[0].release()
    small = take("L4", 4_000)
    # What is free is in two pieces now.
    assert indexes(take("L4", 9_000)) == [2]
    small.release()


def test_what_the_machine_does_not_have(gpus: FakeMachine) -> None:
    has = r"this machine has 2 x NVIDIA H100 80GB HBM3, 1 x NVIDIA L4"
    with pytest.raises(GpusMissing, match=f"needs 3 x H100; {has}"):
        take("H100:3")
    with pytest.raises(GpusMissing, match=f"needs 1 x A100 or 4 x GPU; {has}"):
        take(["A100", "any:4"])
    with pytest.raises(GpusMissing, match=r"'H1O0' is not a known kind: did you mean 'H100'\?"):
        take("H1O0")
    with pytest.raises(GpusMissing, match="needs 1 x L4 with 30000 MiB"):
        take("L4", 30_000)


def test_who_has_it_is_said(gpus: FakeMachine) -> None:
    with holding("L4", "tests/test_other.py::test_it") as holder:
        with pytest.raises(GpusTaken) as caught:
            take("L4", wait=0.1)

        pid = holder.process.pid
        assert f"GPU 2 (NVIDIA L4): tests/test_other.py::test_it (pid {pid} of " in str(
            caught.value
        )


def test_a_killed_holder_holds_nothing(gpus: FakeMachine) -> None:
    with holding("L4", "one") as holder:
        holder.process.kill()
        holder.process.wait()

        assert indexes(take("L4", wait=5)) == [2]


def test_first_come_first_served(gpus: FakeMachine) -> None:
    mine = take("L4")
    first = Holder("L4", "first")
    wait_for_line(1)
    second = Holder("L4", "second")
    wait_for_line(2)
    mine.release()

    assert first.says() == "has 2"
    with pytest.raises(GpusTaken, match="earlier in the line: second"):
        take("L4", wait=0.1)
    assert indexes(take("H100")) == [0]  # who waits for another kind holds nobody up
    first.release()
    assert second.says() == "has 2"
    second.release()


def test_one_that_waits_and_is_killed_holds_nobody_up(gpus: FakeMachine) -> None:
    mine = take("L4")
    first = Holder("L4", "first")
    wait_for_line(1)
    first.process.kill()
    first.process.communicate()
    mine.release()

    assert indexes(take("L4")) == [2]


def wait_for_line(length: int) -> None:
    """Until so many wait: a byte of the file is locked for each."""
    from pytest_sandbox.gpus.line import _FIRST, _LAST
    from pytest_sandbox.gpus.lock_folder import open_file
    from pytest_sandbox.gpus.ranges import locked

    fd = open_file("queue")
    deadline = time.monotonic() + 20
    while len(locked(fd, _FIRST, _LAST)) < length:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.close(fd)


def test_a_lease_is_handed_on(gpus: FakeMachine) -> None:
    """An engine holds the device of a test on, if the test's process dies first."""
    lease = take("L4")
    engine = adopt_lease(lease.name)
    lease.release()

    assert engine.devices == lease.devices
    with pytest.raises(GpusTaken):
        take("L4")
    with pytest.raises(GpusTaken):
        take("L4", 100)
    engine.release()
    assert indexes(take("L4")) == [2]


def test_a_part_of_a_device_is_handed_on(gpus: FakeMachine) -> None:
    lease = take("L4", 20_000)
    engine = adopt_lease(lease.name)
    lease.release()

    assert indexes(take("L4", 3_000)) == [2]
    with pytest.raises(GpusTaken):
        take("L4", 4_000)
    engine.release()


@pytest.mark.parametrize(
    "name", ["lease:", "lease:x", "lease:GPU-0@0+1", "lease:{uuid}@0+23034", "lease:{uuid}@5+1"]
)
def test_a_lease_that_nobody_has(gpus: FakeMachine, name: str) -> None:
    lease = take("L4", 3)

    with pytest.raises(NoSuchLease):
        adopt_lease(name.format(uuid=lease.devices[0].uuid))


def test_somebody_without_a_lease(gpus: FakeMachine) -> None:
    """Such as a program that was started by hand; it is named."""
    stranger = Holder("L4", "x")  # any process that is not ours
    assert stranger.says() == "has 2"
    stranger.release()
    gpus.say("process 2 1")

    with pytest.raises(GpusTaken, match=r"GPU 2 \(NVIDIA L4\): pid 1 \(.*\), which holds no lease"):
        take("L4", wait=0.1)
    gpus.unsay("process")
    assert indexes(take("L4")) == [2]


def test_our_own_programs_are_no_strangers(gpus: FakeMachine) -> None:
    """A process keeps a context of CUDA, and the next test of it, or of a neighbour, finds that."""
    with holding("H100", "neighbour") as holder:
        gpus.say(f"process 2 {os.getpid()}", f"process 2 {holder.process.pid}")

        assert indexes(take("L4")) == [2]


def test_memory_that_somebody_without_a_lease_uses(gpus: FakeMachine) -> None:
    gpus.unsay("device")
    gpus.add("NVIDIA L4", 23034, used=20_000)

    with pytest.raises(GpusTaken, match="programs without a lease: 3034 MiB are free"):
        take("L4", 4_000)
    take("L4", 3_000).release()


def test_a_device_that_vanishes(gpus: FakeMachine) -> None:
    this_machine()
    gpus.say("fail device2 15")

    with pytest.raises(GpusUnavailable, match="the GPU is lost"):
        take("L4")
    assert indexes(take("H100")) == [0]


def test_a_device_that_vanishes_is_passed_over(gpus: FakeMachine) -> None:
    this_machine()
    gpus.say("fail device0 15")

    one = take("H100")
    assert indexes(one) == [1]
    with pytest.raises(GpusUnavailable, match="the GPU is lost"):
        take("H100:2", wait=20)
    # Nothing is kept by what failed.
    gpus.unsay("fail")
    one.release()
    assert indexes(take("H100:2")) == [0, 1]


def test_a_process_stays_with_its_device(gpus: FakeMachine) -> None:
    """What has used CUDA in a process cannot change to another device."""
    first, second = take("H100"), take("H100")
    first.release()
    second.release()

    assert take("H100").devices == second.devices


class TestFolder:
    def test_other_users_share_it(self, gpus: FakeMachine) -> None:
        umask = os.umask(0o077)
        try:
            take("L4").release()
        finally:
            os.umask(umask)
        folder = Path(os.environ["PYTEST_SANDBOX_GPU_LOCKS"])

        assert folder.stat().st_mode & 0o7777 == 0o1777
        assert {file.stat().st_mode & 0o7777 for file in folder.iterdir()} == {0o666}

    @pytest.mark.parametrize("trap", ["link", "hard link", "pipe", "folder"])
    def test_traps_are_refused_and_nothing_else_is_touched(
        self, gpus: FakeMachine, tmp_path: Path, trap: str
    ) -> None:
        folder = Path(os.environ["PYTEST_SANDBOX_GPU_LOCKS"])
        folder.mkdir()
        folder.chmod(0o1777)
        victim, queue = tmp_path / "victim", folder / "queue"
        victim.write_text("precious")
        if trap == "link":
            queue.symlink_to(victim)
        elif trap == "hard link":
            os.link(victim, queue)
        elif trap == "pipe":
            os.mkfifo(queue)
        else:
            queue.mkdir()

        with pytest.raises(GpusUnavailable, match=r"cannot be used: .*queue.* \(it belongs to "):
            take("L4")
        assert victim.read_text() == "precious"

    def test_a_folder_where_others_could_replace_files(self, gpus: FakeMachine) -> None:
        folder = Path(os.environ["PYTEST_SANDBOX_GPU_LOCKS"])
        folder.mkdir()
        folder.chmod(0o777)

        with pytest.raises(GpusUnavailable, match="it is not sticky"):
            take("L4")

    def test_damaged_notes(self, gpus: FakeMachine) -> None:
        lease = take("L4")
        folder = Path(os.environ["PYTEST_SANDBOX_GPU_LOCKS"])
        for file in folder.iterdir():
            file.write_bytes(b"\xff" * 300)

        with pytest.raises(GpusTaken, match="a process that left no note"):
            take("L4", wait=0.1)
        lease.release()
