"""Checks of what a task says that it used, of engines that say it."""

from ... import Engine, SupportsUsage, Usage
from ..support import SUCCESS, a_task, equal, finished, line, run, soon, start

MEBIBYTE = 2**20
#: Writes a mebibyte to a file, by a program that has ended when the script does.
WRITE = "head -c {size} /dev/zero > {path}"


async def check_usage_grows(engine: Engine) -> None:
    """What programs write and hold counts, also after they have ended, and never shrinks."""
    async with a_task(engine) as task:
        if not isinstance(task, SupportsUsage):
            return
        before = await soon(task.usage(), "usage()")
        done = await run(task, "/bin/sh", "-c", WRITE.format(size=MEBIBYTE, path="usage"))
        equal(done.status, SUCCESS, "a script that writes")
        after = await soon(task.usage(), "usage(), afterwards")
        _grew(before, after)
        if before.bytes_written is not None and after.bytes_written is not None:
            written = after.bytes_written - before.bytes_written
            assert MEBIBYTE <= written < 2 * MEBIBYTE, f"1 MiB was written, not {written} bytes"


async def check_usage_of_many_processes(engine: Engine) -> None:
    """The most processes at one time are counted, not all there ever were."""
    async with a_task(engine) as task:
        if not isinstance(task, SupportsUsage):
            return
        script = "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 100000 & done; echo; wait"
        crowd = await start(task, "/bin/sh", "-c", script)
        await line(crowd)
        for _ in range(10):
            await run(task, "true")
        usage = await soon(task.usage(), "usage()")
        if usage.peak_processes is not None:
            assert 11 <= usage.peak_processes < 20, f"12 processes, not {usage.peak_processes}"


async def check_usage_after_the_end(engine: Engine) -> None:
    """What a task used is still told when it has ended, with what was killed then."""
    async with a_task(engine) as task:
        if not isinstance(task, SupportsUsage):
            return
        script = f"{WRITE.format(size=MEBIBYTE, path='usage')}; echo; sleep 100000"
        busy = await start(task, "/bin/sh", "-c", script)
        await line(busy)
        before = await soon(task.usage(), "usage()")
        await soon(task.kill(), "kill()")
        await finished(busy, "a killed process")
        after = await soon(task.usage(), "usage() of a task that has ended")
        _grew(before, after)
        equal(await soon(task.usage(), "usage(), again"), after, "usage(), again")


def _grew(before: Usage, after: Usage) -> None:
    for name, one in vars(before).items():
        other = getattr(after, name)
        equal(other is None, one is None, f"whether {name} is unknown")
        assert one is None or other >= one, f"{name} was {one}, then {other}"
