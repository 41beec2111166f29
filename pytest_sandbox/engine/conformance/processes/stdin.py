"""Checks of the standard input of processes."""

import asyncio

from ... import Engine
from ..support import SUCCESS, a_task, content, equal, finished, line, raises, run, sh, soon, start

NO_INPUT = "exec <&-; echo closed; sleep 100000"


async def check_input_arrives(engine: Engine) -> None:
    """Input arrives byte by byte, in the order of the writes, and ends when closed."""
    raw = bytes(range(256))
    async with a_task(engine) as task:
        process = await start(task, "cat")
        for part in (raw, b"", b"second", raw):
            await soon(process.write_stdin(part), "write_stdin()")
        await soon(process.close_stdin(), "close_stdin()")
        done = await finished(process, "cat")
        equal((done.status, done.stdout), (SUCCESS, raw + b"second" + raw), "cat")


async def check_large_input(engine: Engine) -> None:
    """One write may be larger than any pipe."""
    data = b"0123456789abcdef" * (20 * 65536)
    async with a_task(engine) as task:
        process = await start(task, "cat")
        reader = asyncio.ensure_future(content(process.stdout))
        await soon(process.write_stdin(data), "write_stdin() of 20 MB")
        await process.close_stdin()
        assert await soon(reader, "20 MB through cat") == data, "the input was damaged"


async def check_write_returns_when_all_is_in_the_pipe(engine: Engine) -> None:
    """`write_stdin` waits for a slow program, and returns when it took all."""
    async with a_task(engine) as task:
        process = await start(
            task, "/bin/sh", "-c", "until test -e /tmp/go; do sleep 0.01; done; wc -c"
        )
        write = asyncio.ensure_future(process.write_stdin(b"x" * 4_000_000))
        equal(await sh(task, "echo free"), b"free\n", "another process meanwhile")
        assert not write.done(), f"4 MB went to a program that reads nothing: {write}"
        await sh(task, ": > /tmp/go")
        await soon(write, "the write, once it is read")
        await process.close_stdin()
        equal((await finished(process, "wc -c")).stdout.strip(), b"4000000", "bytes that arrived")


async def check_close_twice(engine: Engine) -> None:
    """A second `close_stdin` does nothing, nor does one after the end."""
    async with a_task(engine) as task:
        process = await start(task, "cat")
        for _ in range(2):
            await soon(process.close_stdin(), "close_stdin()")
        await soon(process.wait(), "cat")
        await soon(process.close_stdin(), "close_stdin() after the end")


async def check_write_after_close(engine: Engine) -> None:
    """A write after `close_stdin` is refused with `BrokenPipeError`."""
    async with a_task(engine) as task:
        process = await start(task, "/bin/sh", "-c", "cat; sleep 100000")
        await process.close_stdin()
        await raises(BrokenPipeError, process.write_stdin(b"x"), "a write after close_stdin()")


async def check_write_when_the_process_closed_its_input(engine: Engine) -> None:
    """A write to a process that closed its standard input is refused."""
    async with a_task(engine) as task:
        process = await start(task, "/bin/sh", "-c", NO_INPUT)
        equal(await line(process), b"closed", "the process")
        await raises(BrokenPipeError, process.write_stdin(b"x"), "a write after the reader closed")
        assert process.poll() is None, "the refused write ended the process"


async def check_write_after_the_end(engine: Engine) -> None:
    """A write to a process that ended is refused."""
    async with a_task(engine) as task:
        process = await start(task, "true")
        await soon(process.wait(), "true")
        await raises(BrokenPipeError, process.write_stdin(b"x"), "a write after the end")


async def check_a_waiting_write_ends_with_the_process(engine: Engine) -> None:
    """A write that waits for a reader is refused when the process ends."""
    async with a_task(engine) as task:
        process = await start(task, "sleep", "100000")
        write = asyncio.ensure_future(process.write_stdin(b"x" * 4_000_000))
        await sh(task, "true")
        assert not write.done(), f"4 MB went to a program that reads nothing: {write}"
        await soon(process.signal(9), "signal(SIGKILL)")
        await raises(BrokenPipeError, write, "a write that waited")


async def check_unread_input_does_not_delay_the_end(engine: Engine) -> None:
    """A process can end without reading its input."""
    async with a_task(engine) as task:
        process = await start(task, "/bin/sh", "-c", "read first; echo $first")
        await process.write_stdin(b"one\ntwo\n")
        done = await finished(process, "read")
        equal((done.status, done.stdout), (SUCCESS, b"one\n"), "read")


async def check_input_can_feed_several_programs(engine: Engine) -> None:
    """Programs of one process read its input one after another."""
    async with a_task(engine) as task:
        script = "read a; read b; echo $b $a; cat"
        done = await run(task, "/bin/sh", "-c", script, stdin=b"1\n2\n3\n")
        equal(done.stdout, b"2 1\n3\n", "three readers of one input")
