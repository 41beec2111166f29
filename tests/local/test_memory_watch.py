"""Sandboxes that use too much memory where there are no cgroups for it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from pytest_sandbox.engine import EndCause, ProcessSpec, TaskSpec
from pytest_sandbox.local import LocalEngine
from pytest_sandbox.local.engine.links import bare_python
from pytest_sandbox.local.engine.task import LocalTask
from pytest_sandbox.local.options import LocalOptions

from .conftest import shell

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1 << 20
#: The zygote finds no cgroups.
WITHOUT = """
from pytest_sandbox.local.kernel.cgroups import mounted
mounted.find = lambda wanted: []
main()
"""
#: Holds MiB, in a file that programs share if there is a second argument, and waits.
HOLD = """
import mmap, sys, time
size = int(sys.argv[1]) << 20
held = mmap.mmap(-1, size) if sys.argv[2:] else bytearray(size)
held[::4096] = b"x" * len(held[::4096])
print("held", flush=True)
time.sleep(100000)
"""
#: Holds MiB, which several processes share, and says so after two looks.
SHARE = """
import os, sys, time
held = b"x" * (int(sys.argv[1]) << 20)
children = [os.fork() or time.sleep(100000) for _ in range(3)]
time.sleep(0.6)
print("shared", flush=True)
for child in children:
    os.kill(child, 9)
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watching() -> AsyncIterator[LocalEngine]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            bare_python, "_BOOTSTRAP", bare_python._BOOTSTRAP.replace("main()\n", WITHOUT)
        )
        engine = LocalEngine(LocalOptions(memory=200 * MIB))
        info = await engine.start()
    assert "looked at four times a second" in info.details["limits"]
    yield engine
    await engine.close()


@pytest.mark.parametrize("shared", ["", "shared"], ids=["own", "shared"])
async def test_the_largest_process_is_killed(watching: LocalEngine, shared: str) -> None:
    task = await watching.create(TaskSpec())
    modest = await task.exec(ProcessSpec(("python3", "-c", HOLD, "20")))
    greedy = await task.exec(ProcessSpec(("python3", "-c", HOLD, "400", *shared.split())))
    assert (await greedy.wait()).signal == 9
    assert modest.poll() is None
    assert (await task.usage()).oom_kills == 1
    await task.kill()
    assert (await task.usage()).oom_kills == 1


async def test_the_end_of_the_main_process_says_so(watching: LocalEngine) -> None:
    task = await watching.create(TaskSpec(main=ProcessSpec(("python3", "-c", HOLD, "400"))))
    end = await task.wait()
    assert end.cause is EndCause.OUT_OF_MEMORY
    assert end.detail == "the sandbox ran out of memory (its limit is 200 MiB)"


async def test_what_processes_share_counts_once(watching: LocalEngine) -> None:
    task = await watching.create(TaskSpec())
    assert isinstance(task, LocalTask)
    done = await shell(task, f"python3 -c '{SHARE}' 100")
    assert done.out == "shared\n", done
    assert (await task.usage()).oom_kills == 0
    await task.kill()
