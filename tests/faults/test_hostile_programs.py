"""Programs that will not behave hurt their own sandbox, for a bounded time."""

import errno

import pytest

from pytest_sandbox import Client, Sandbox, exceptions

pytestmark = pytest.mark.usefixtures("nothing_is_left")

#: Bytes that a sandbox may write.
DISK = 64 * 2**20

#: Each process of it forks again and again; when there is no room it waits, so that the machine has
#: time for other tests.
BOMB = """
import os, time
for turn in range(100_000):
    try:
        if os.fork() == 0:
            os.setsid()
    except OSError:
        time.sleep(0.2)
"""


@pytest.fixture(scope="module")
def options() -> dict[str, str]:
    return {"disk": str(DISK), "pool": "off"}


@pytest.fixture
def neighbour(nothing_is_left: None, client: Client) -> Sandbox:
    """A sandbox that behaves; it is there only after what there was before has been noted."""
    sandbox = Sandbox.create(client=client)
    assert sandbox.run("echo", "before").stdout == "before\n"
    return sandbox


@pytest.fixture(autouse=True)
def the_neighbour_is_unharmed(neighbour: Sandbox) -> object:
    yield
    assert neighbour.run("echo", "after").stdout == "after\n"
    end(neighbour)


def end(sandbox: Sandbox) -> None:
    sandbox.terminate()
    sandbox.wait(raise_on_termination=False)
    assert sandbox.returncode == 137


@pytest.mark.parametrize("place", ["/tmp", "/root", "/dev/shm", "/etc", "/var/tmp"])
def test_a_full_disk_is_an_error_inside_and_costs_the_machine_little(
    sandbox: Sandbox, place: str
) -> None:
    done = sandbox.run("dd", "if=/dev/zero", f"of={place}/big", "bs=1M", "count=500")

    assert done.returncode != 0
    assert "No space left on device" in done.stderr
    assert sandbox.filesystem.stat(f"{place}/big").size <= DISK
    with pytest.raises(exceptions.SandboxFilesystemError, match="No space left") as full:
        sandbox.filesystem.write_bytes(bytes(2**20), f"{place}/more")
    assert (full.value.errno, full.value.filename) == (errno.ENOSPC, f"{place}/more")
    assert sandbox.run("echo", "still works").stdout == "still works\n"
    sandbox.run("rm", f"{place}/big", check=True)
    sandbox.filesystem.write_bytes(bytes(2**20), f"{place}/more")


def test_endless_empty_files_are_bounded_too(sandbox: Sandbox) -> None:
    done = sandbox.run("sh", "-c", "mkdir /tmp/d; cd /tmp/d; seq 30000 | xargs touch")

    assert "No space left on device" in done.stderr


def test_a_fork_bomb_is_bounded(sandbox: Sandbox) -> None:
    def until_there_is_no_room_for_one_more_process() -> None:
        for _ in range(10_000):
            sandbox.exec("true").wait()

    bomb = sandbox.exec("python3", "-c", BOMB)
    with pytest.raises(exceptions.InvalidError):
        until_there_is_no_room_for_one_more_process()
    end(sandbox)
    assert bomb.poll() is not None


def test_a_program_that_ignores_signals_ends(sandbox: Sandbox) -> None:
    script = "trap '' TERM INT HUP QUIT; echo ready; while :; do sleep 1; done"
    process = sandbox.exec("sh", "-c", script)
    assert next(iter(process.stdout)) == "ready\n"

    end(sandbox)

    assert process.wait() == 137


def test_a_time_out_ends_a_program_that_ignores_signals(sandbox: Sandbox) -> None:
    script = "trap '' TERM INT HUP; sleep 1000 & while :; do sleep 1; done"

    with pytest.raises(exceptions.CommandTimeoutError):
        sandbox.run("sh", "-c", script, timeout=1)

    # What was killed is there until PID 1 has collected it.
    look = "until ! kill -0 -1; do sleep 0.01; done 2>/dev/null; echo none"
    assert sandbox.run("sh", "-c", look, timeout=30).stdout == "none\n"


def test_a_program_cannot_make_whoever_runs_a_file_wait(sandbox: Sandbox) -> None:
    hold = """
import fcntl, os, signal
signal.signal(signal.SIGIO, signal.SIG_IGN)
try:
    fcntl.fcntl(os.open("/tmp/true", os.O_RDONLY), fcntl.F_SETLEASE, fcntl.F_WRLCK)
except OSError as error:
    print(error.errno, flush=True)
else:
    print("held", flush=True)
signal.pause()
"""
    sandbox.run("cp", "/usr/bin/true", "/tmp/true", check=True)
    holder = sandbox.exec("python3", "-c", hold)
    assert next(iter(holder.stdout)) == f"{errno.EINVAL}\n"

    assert sandbox.run("/tmp/true", timeout=5).returncode == 0


def test_a_sandbox_ends_at_once_however_busy_its_programs_are(sandbox: Sandbox) -> None:
    busy = """
import os
refused = 0
for change in (
    lambda: os.sched_setaffinity(1, {min(os.sched_getaffinity(0))}),
    lambda: os.setpriority(os.PRIO_PROCESS, 1, 19),
    lambda: os.setpriority(os.PRIO_USER, 0, 19),
    lambda: os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0)),
):
    try:
        change()
    except PermissionError:
        refused += 1
for number in range(20):
    if os.fork() == 0:
        while True:
            pass
print(refused, flush=True)
os.wait()
"""
    assert next(iter(sandbox.exec("python3", "-c", busy).stdout)) == "4\n"

    end(sandbox)


def test_a_daemon_that_holds_the_output_does_not_hold_up_the_caller(sandbox: Sandbox) -> None:
    script = "trap '' HUP; sleep 1000 & echo started; exit 3"
    process = sandbox.exec("sh", "-c", script)

    assert process.stdout.read() == "started\n"
    assert process.stderr.read() == ""
    assert process.wait() == 3
    assert sandbox.run("sh", "-c", script).returncode == 3
    assert "sleep" in sandbox.run("sh", "-c", "cat /proc/*/comm").stdout


def test_a_daemon_of_another_session_dies_with_the_sandbox(sandbox: Sandbox) -> None:
    sandbox.run("setsid", "-f", "sh", "-c", "trap '' TERM; sleep 1000", check=True)
    end(sandbox)


def test_output_that_nobody_reads_does_not_pile_up(sandbox: Sandbox) -> None:
    process = sandbox.exec("sh", "-c", "echo ready >&2; cat /dev/zero", text=False)
    assert next(iter(process.stderr)) == b"ready\n"

    assert sandbox.run("echo", "meanwhile").stdout == "meanwhile\n"

    end(sandbox)
    assert process.wait() == 137
    # What was held can still be read, with what was in the pipe, which is held open for that.
    assert sum(map(len, process.stdout)) <= (64 + 2) * 1024 * 1024


def test_a_reader_sees_the_end_when_the_sandbox_is_ended(client: Client) -> None:
    sandbox = Sandbox.create("sh", "-c", "echo first; sleep 1000", client=client)
    lines = iter(sandbox.stdout)
    assert next(lines) == "first\n"

    end(sandbox)

    assert list(lines) == []


def test_killing_everything_inside_is_survived(sandbox: Sandbox) -> None:
    process = sandbox.exec("sleep", "1000")
    assert sandbox.run("sh", "-c", "kill -9 -1").returncode in (0, 137)

    assert process.wait() == 137
    assert sandbox.run("echo", "alive").stdout == "alive\n"
