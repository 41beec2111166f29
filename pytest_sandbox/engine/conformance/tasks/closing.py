"""The end of an engine. Each check closes the engine that it is given."""

import asyncio

from ... import EndCause, Engine, EngineUnavailable, ProcessSpec, TaskEnded, TaskSpec
from ..support import content, equal, line, raises, soon, start


async def check_close_ends_every_task(engine: Engine) -> None:
    """`close` ends every task; calls under way end, and output can still be read."""
    tasks = [await engine.create(TaskSpec(main=ProcessSpec(("cat",)))) for _ in range(3)]
    process = await start(tasks[0], "/bin/sh", "-c", "echo ready; cat")
    await line(process)
    waits = [asyncio.ensure_future(task.wait()) for task in tasks]
    await soon(engine.close(), "close()")
    ends = await soon(asyncio.gather(*waits), "wait() of tasks of a closed engine")
    equal([end.cause for end in ends], [EndCause.KILLED] * 3, "how the tasks ended")
    equal((await soon(process.wait(), "wait()")).signal, 9, "a process of a closed engine")
    equal(await soon(content(process.stdout), "output"), b"ready\n", "its output")
    await raises(TaskEnded, tasks[0].exec(ProcessSpec(("true",))), "exec after close()")


async def check_close_twice(engine: Engine) -> None:
    """A second `close` does nothing, at the same time or later."""
    await soon(asyncio.gather(engine.close(), engine.close()), "two close()s")
    await soon(engine.close(), "a late close()")


async def check_create_after_close(engine: Engine) -> None:
    """A closed engine creates nothing: `EngineUnavailable`."""
    await soon(engine.close(), "close()")
    await raises(EngineUnavailable, engine.create(TaskSpec()), "create() after close()")


async def check_close_while_creating(engine: Engine) -> None:
    """A `create` that races with `close` gives an ended task or says that one or both ended."""
    creates = [asyncio.ensure_future(engine.create(TaskSpec())) for _ in range(5)]
    await asyncio.sleep(0)
    await soon(engine.close(), "close()")
    for result in await soon(asyncio.gather(*creates, return_exceptions=True), "create()"):
        if isinstance(result, BaseException):
            refused = isinstance(result, (EngineUnavailable, TaskEnded))
            assert refused, f"create during close: {result!r}"
        else:
            await soon(result.wait(), "a task of a closed engine")
