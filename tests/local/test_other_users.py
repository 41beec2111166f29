"""Processes that another user than root runs, which no program of the image starts."""

import pytest

from pytest_sandbox.engine import ProcessSpec, ProcessUser, PtySize, SpawnFailed, Task
from pytest_sandbox.local import LocalEngine

from .conftest import SOMEBODY, Done, Sh, content, need_users

pytestmark = pytest.mark.asyncio(loop_scope="module")

USER = ProcessUser(SOMEBODY, 1501, (1502, 1503))


async def as_user(task: Task, script: str, pty: PtySize | None = None) -> Done:
    spec = ProcessSpec(("/bin/sh", "-c", script), user=USER, workdir="/tmp", pty=pty)
    process = await task.exec(spec)
    if pty is None:
        await process.close_stdin()
    out, err = await content(process.stdout), await content(process.stderr)
    return Done((await process.wait()).returncode, out, err)


@pytest.fixture(autouse=True)
def _users(engine: LocalEngine) -> None:
    need_users(engine)


async def test_it_has_its_ids_and_no_privileges(task: Task) -> None:
    seen = "id -u; id -g; id -G; grep -E '^(Cap(Inh|Prm|Eff|Amb)|SigBlk|SigIgn)' /proc/self/status"
    done = await as_user(task, f"{seen}; trap; pwd; ls /proc/self/fd")
    zeros = "0000000000000000"
    masks = [f"{name}:\t{zeros}" for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")]
    lines = done.out.split("\n")
    assert lines[:3] == ["1500", "1501", "1501 1502 1503"]
    assert set(masks) < set(lines)
    assert {f"SigBlk:\t{zeros}", f"SigIgn:\t{zeros}"} < set(lines)
    # The directory that ls reads is the fourth one.
    assert lines[-6:] == ["/tmp", "0", "1", "2", "3", ""]
    assert (await as_user(task, "echo x > /etc/hostname")).code != 0


async def test_it_may_have_a_terminal(task: Task) -> None:
    done = await as_user(task, "id -u; stty size; exit 3", PtySize(10, 20))
    assert done.code == 3
    assert done.out.split() == ["1500", "10", "20"]


@pytest.mark.parametrize(
    ("command", "reason"),
    [("/nosuch", "no such file"), ("/etc/hostname", "not executable"), ("/tmp", "a directory")],
)
async def test_what_cannot_be_started_says_why(task: Task, command: str, reason: str) -> None:
    with pytest.raises(SpawnFailed, match=reason):
        await task.exec(ProcessSpec((command,), user=USER))


async def test_a_program_that_only_another_user_may_run(task: Task, sh: Sh) -> None:
    await sh("cp /bin/true /tmp/mine; chmod 700 /tmp/mine")
    with pytest.raises(SpawnFailed, match="not executable"):
        await task.exec(ProcessSpec(("/tmp/mine",), user=USER))
    await sh(f"chown {SOMEBODY} /tmp/mine")
    process = await task.exec(ProcessSpec(("/tmp/mine",), user=USER))
    assert (await process.wait()).code == 0


async def test_a_user_without_an_id_here_is_named(task: Task) -> None:
    with pytest.raises(SpawnFailed, match="no user 4000000000:1"):
        await task.exec(ProcessSpec(("/bin/true",), user=ProcessUser(4000000000, 1)))


async def test_what_stops_new_processes_does_not_stop_pid_1(task: Task, sh: Sh) -> None:
    stopper = await task.exec(
        ProcessSpec(("/bin/sh", "-c", "echo; while :; do kill -STOP -1; done 2>/dev/null"))
    )
    async for _ in stopper.stdout.follow():
        break
    for _ in range(5):
        try:
            process = await task.exec(ProcessSpec(("/bin/true",), user=USER))
        except SpawnFailed:
            continue
        await process.signal(9)
        await process.wait()
    await stopper.signal(9)
    assert (await sh("echo alive")).out == "alive\n"
