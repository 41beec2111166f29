"""Two sandboxes share nothing."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from pytest_sandbox.engine import Engine, Task, TaskSpec

pytestmark = pytest.mark.asyncio(loop_scope="module")

RunInside = Callable[..., Awaitable[Any]]

#: Offers something by every means that two processes of one machine can talk by, and waits.
OFFER = """
import ctypes, json, os, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
sockets = [socket.socket(socket.AF_UNIX), socket.create_server(("127.0.0.1", 4711))]
sockets[0].bind("\\0offer"); sockets[0].listen()
open("/dev/shm/offer", "w").write("x"); open("/tmp/offer", "w").write("x")
queue = libc.mq_open(b"/offer", os.O_CREAT | os.O_RDWR, 0o666, None)
shared = libc.shmget(4711, 4096, 0o1666); semaphores = libc.semget(4711, 1, 0o1666)
messages = libc.msgget(4711, 0o1666)
if os.fork():
    print(json.dumps([queue >= 0, shared >= 0, semaphores >= 0, messages >= 0]), flush=True)
    os._exit(0)
os.close(1); os.close(2); time.sleep(100000)
"""
TAKE = """
import ctypes, json, os, socket
libc = ctypes.CDLL(None, use_errno=True)
taken = []
for family, address in ((socket.AF_UNIX, "\\0offer"), (socket.AF_INET, ("127.0.0.1", 4711))):
    try:
        socket.socket(family).connect(address); taken.append(repr(address))
    except OSError:
        pass
taken += [path for path in ("/dev/shm/offer", "/tmp/offer") if os.path.exists(path)]
for name, result in (
    ("queue", libc.mq_open(b"/offer", os.O_RDWR)), ("memory", libc.shmget(4711, 0, 0)),
    ("semaphores", libc.semget(4711, 0, 0)), ("messages", libc.msgget(4711, 0)),
):
    if result >= 0:
        taken.append(name)
print(json.dumps(taken))
"""


@pytest_asyncio.fixture(loop_scope="module")
async def neighbour(engine: Engine) -> AsyncIterator[Task]:
    neighbour = await engine.create(TaskSpec())
    yield neighbour
    await neighbour.kill()


async def test_no_means_of_communication_crosses(
    task: Task, neighbour: Task, run_inside: RunInside
) -> None:
    offered = await run_inside(task, OFFER)
    assert offered[1:] == [True, True, True]

    control = await run_inside(task, TAKE)
    assert len(control) == 4 + sum(offered), f"what one sandbox sees of itself: {control}"
    assert await run_inside(neighbour, TAKE) == []


async def test_processes_do_not_see_each_other(
    task: Task, neighbour: Task, run_inside: RunInside
) -> None:
    code = """
import json, os
names = os.listdir("/proc/self/ns")
print(json.dumps({name: os.readlink("/proc/self/ns/" + name) for name in names}))
"""
    one, other = await run_inside(task, code), await run_inside(neighbour, code)
    shared = {name for name in one if one[name] == other[name]}
    # Time is the machine's; a user namespace of the run may be common to sandboxes without root.
    assert shared <= {"time", "time_for_children", "user"}
    assert not {"mnt", "pid", "net", "ipc", "uts"} & shared


async def test_names_of_other_sandboxes_are_nowhere(
    task: Task, neighbour: Task, run_inside: RunInside
) -> None:
    await run_inside(neighbour, "open('/root/only-mine', 'w'); print(1)")
    code = """
import glob, json, os
found = [path for path in glob.glob("/proc/*/root/root/only-mine") + glob.glob("/*/only-mine")]
print(json.dumps(found))
"""
    assert await run_inside(task, code) == []
    assert await run_inside(neighbour, code) != []


#: Puts all processes that it can behind others, with those of the same session.
PUT_BEHIND = """
import glob, json, os
done = []
for path in glob.glob("/proc/[0-9]*/autogroup"):
    try:
        with open(path, "r+") as file:
            file.write("19")
        done.append(path)
    except OSError:
        pass
print(json.dumps(done))
"""


async def test_none_puts_what_serves_another_behind_programs(
    task: Task, run_inside: RunInside
) -> None:
    """Where the kernel groups processes by session, and programs are root of the machine."""
    groups = {path: path.read_text() for path in autogroups_of_zygotes()}
    pending = asyncio.ensure_future(anext(task.files.watch("/tmp")))
    await task.files.stat("/")  # the job that watches has started

    await run_inside(task, PUT_BEHIND)

    assert {path: path.read_text() for path in groups} == groups
    await task.files.mkdir("/tmp/x")
    assert (await pending).paths == ("/tmp/x",)


def autogroups_of_zygotes() -> list[Path]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            ours = parent == os.getpid() and (process / "autogroup").exists()
            if ours and (process / "cmdline").read_text().startswith("pytest-sandbox zygote"):
                found.append(process / "autogroup")
    return found
