"""Whatever dies: no process and no folder of the engine of processes is left."""

import asyncio
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from pytest_sandbox.engine import EndCause, EngineUnavailable, ProcessSpec, Task, TaskSpec
from pytest_sandbox.processes import ProcessEngine

#: Starts a daemon: a process in a session of its own, whose parent has ended.
DAEMON = "(setsid sh -c 'echo $$; exec sleep 100000' &) ; "
#: Seconds for what happens soon.
SOON = 20.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[ProcessEngine]:
    engine = ProcessEngine()
    await engine.start()
    yield engine
    await engine.close()


async def daemon(task: Task) -> int:
    """The pid of a daemon that a program of the task has started, which has ended itself."""
    process = await task.exec(ProcessSpec(("sh", "-c", DAEMON + "cat")))
    pid = int((await process.stdout.read(0)).split()[0])
    await process.close_stdin()
    await process.wait()
    return pid


def there(path: str) -> bool:
    return os.path.lexists(path)


def gone(pid: int) -> bool:
    """Whether a process has ended, or is about to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.01)


@pytest.mark.asyncio(loop_scope="module")
async def test_daemons_end_with_the_task(engine: ProcessEngine) -> None:
    task = await engine.create(TaskSpec())
    pid = await daemon(task)
    assert not gone(pid)
    await task.kill()
    assert gone(pid)
    assert not there(task.folder)


@pytest.mark.asyncio(loop_scope="module")
async def test_daemons_end_with_the_main_process(engine: ProcessEngine) -> None:
    main = ProcessSpec(("sh", "-c", DAEMON + "read line"))
    task = await engine.create(TaskSpec(main=main))
    assert task.main is not None
    pid = int(await task.main.stdout.read(0))
    await task.main.close_stdin()
    assert (await task.wait()).cause is EndCause.EXITED
    assert gone(pid)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_program_that_kills_the_agent_ends_its_own_sandbox(
    engine: ProcessEngine,
) -> None:
    other = await engine.create(TaskSpec())
    task = await engine.create(TaskSpec())
    pid = await daemon(task)
    process = await task.exec(ProcessSpec(("sh", "-c", "read line; kill -9 $PPID")))
    await process.close_stdin()
    assert (await task.wait()).cause is EndCause.LOST
    assert (await process.wait()).signal == signal.SIGKILL
    assert gone(pid)
    assert other.poll() is None
    await other.kill()


#: Some 30 processes in sessions of their own, each of which starts others without end.
BOMB = """
import os
for _ in range(5):
    if os.fork() == 0:
        os.setsid()
print("started", flush=True)
while True:
    if os.fork() == 0:
        os._exit(0)
    os.wait()
"""


@pytest.mark.asyncio(loop_scope="module")
async def test_programs_that_fork_without_end_are_ended(engine: ProcessEngine) -> None:
    task = await engine.create(TaskSpec())
    process = await task.exec(ProcessSpec(("/usr/bin/python3", "-c", BOMB, task.folder)))
    await process.stdout.read(0)
    assert left_of(task) != []
    await task.kill()
    assert left_of(task) == []


def left_of(task: Task) -> list[str]:
    """Processes that still run and have the folder of a task as an argument."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            arguments = Path(f"/proc/{name}/cmdline").read_bytes()
            if task.folder.encode() in arguments and not gone(int(name)):
                found.append(name)
    return found


@pytest.mark.asyncio(loop_scope="module")
async def test_what_programs_leave_is_removed_and_no_link_is_followed(
    engine: ProcessEngine, tmp_path: Path
) -> None:
    (tmp_path / "kept").write_text("kept")
    task = await engine.create(TaskSpec())
    script = (
        f"ln -s {tmp_path} link; ln -s {tmp_path}/kept file; mkdir -p a/b/c; ln -s {tmp_path} a/l;"
        "mkdir closed; : > closed/f; chmod 000 closed a/b/c; chmod 500 a; chmod 000 ..; mkfifo p"
    )
    process = await task.exec(ProcessSpec(("sh", "-c", script)))
    await process.wait()
    await task.kill()
    assert not there(task.folder)
    assert (tmp_path / "kept").read_text() == "kept"


@pytest.mark.asyncio
async def test_when_the_keeper_is_killed_its_tasks_end(tmp_path: Path) -> None:
    engine = ProcessEngine()
    await engine.start()
    task = await engine.create(TaskSpec())
    pid = await daemon(task)
    os.kill(engine.keeper, signal.SIGKILL)
    end = await asyncio.wait_for(task.wait(), SOON)
    assert (end.cause, "keeper" in end.detail) == (EndCause.LOST, True)
    with pytest.raises(EngineUnavailable, match="keeper was killed"):
        await engine.create(TaskSpec())
    await engine.close()
    until(lambda: gone(pid), "the end of the daemon")
    assert not there(os.path.dirname(task.folder))


RUN = """
import asyncio
from pytest_sandbox.engine import ProcessSpec, TaskSpec
from pytest_sandbox.processes import ProcessEngine

async def main():
    engine = ProcessEngine()
    await engine.start()
    task = await engine.create(TaskSpec())
    process = await task.exec(ProcessSpec(("sh", "-c", {script!r})))
    pid = (await process.stdout.read(0)).decode().strip()
    print(pid, task.folder, flush=True)
    await asyncio.sleep(100000)

asyncio.run(main())
"""


def test_when_the_engine_is_killed_nothing_is_left() -> None:
    program = RUN.format(script=DAEMON + "cat")
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as engine:
        assert engine.stdout is not None
        pid, folder = engine.stdout.readline().split()
        engine.kill()
    until(lambda: gone(int(pid)), "the end of the daemon")
    until(lambda: not there(os.path.dirname(folder)), "the removal of all folders")


@pytest.mark.asyncio
async def test_what_an_engine_and_its_keeper_left_is_removed_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith(("test_", "popen-", "pytest-")):  # as pytest and xdist make them
            folder.chmod(0o711)
    (tmp_path / "kept").mkdir()
    left, used, young, link = (tmp_path / f"pytest-sandbox-processes-{n}" for n in "lnyk")
    for folder in (left, used, young):
        (folder / "1" / "home").mkdir(parents=True)
        (folder / "1" / "home").chmod(0)
        folder.chmod(0o711)
        os.utime(folder, (1, 1))
    os.utime(young)
    link.symlink_to(tmp_path / "kept")
    lock = os.open(used, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_SH)

    engine = ProcessEngine()
    await engine.start()
    await engine.close()

    os.close(lock)
    assert sorted(os.listdir(tmp_path)) == sorted(
        each.name for each in (used, young, link, tmp_path / "kept")
    )
    for folder in (used, young):
        (folder / "1" / "home").chmod(0o700)
