"""Checks of the output of processes."""

import asyncio

from ... import Engine, Output, OutputDropped
from ..support import (
    SUCCESS,
    a_task,
    content,
    equal,
    finished,
    line,
    raises,
    run,
    sh,
    soon,
    start,
    until,
)

BOTH = ("/bin/sh", "-c", "echo out; echo err >&2")


#: What stands between the numbers of a big output: most of it, for these bytes cost little.
BETWEEN = "-" * 120


def numbers(count: int, between: str = "\n") -> bytes:
    """What `seq -s BETWEEN 1 COUNT` prints."""
    return between.join(map(str, range(1, count + 1))).encode() + b"\n"


async def check_streams_are_separate(engine: Engine) -> None:
    """Standard output and standard error are two streams."""
    async with a_task(engine) as task:
        done = await run(task, *BOTH)
        equal((done.stdout, done.stderr), (b"out\n", b"err\n"), "stdout and stderr")


async def check_output_is_bytes(engine: Engine) -> None:
    """Output is what was written, byte by byte, with or without a last line end."""
    raw = bytes(range(256)) * 3
    async with a_task(engine) as task:
        equal((await run(task, "cat", stdin=raw)).stdout, raw, "all bytes")
        equal((await run(task, "printf", "no end")).stdout, b"no end", "no line end")
        equal((await run(task, "true")).stdout, b"", "no output")


async def check_merged_streams_keep_their_order(engine: Engine) -> None:
    """With `stderr=STDOUT` both are one stream, in the order of the writes."""
    async with a_task(engine) as task:
        script = "for i in 1 2 3 4 5; do echo out$i; echo err$i >&2; done"
        process = await start(task, "/bin/sh", "-c", script, stderr=Output.STDOUT)
        done = await finished(process, "the script")
        expected = b"".join(b"out%d\nerr%d\n" % (i, i) for i in range(1, 6))
        equal(done.stdout, expected, "the merged stream")
        equal((done.stderr, process.stderr.closed), (b"", True), "stderr when merged")


async def check_discarded_streams(engine: Engine) -> None:
    """A discarded stream is empty and ended, and the program does not notice."""
    async with a_task(engine) as task:
        done = await run(task, *BOTH, stdout=Output.DEVNULL)
        equal((done.stdout, done.stderr), (b"", b"err\n"), "stdout discarded")
        done = await run(task, *BOTH, stderr=Output.DEVNULL)
        equal((done.stdout, done.stderr), (b"out\n", b""), "stderr discarded")
        done = await run(task, *BOTH, stdout=Output.DEVNULL, stderr=Output.DEVNULL)
        equal((done.status, done.stdout, done.stderr), (SUCCESS, b"", b""), "both discarded")
        done = await run(task, *BOTH, stdout=Output.DEVNULL, stderr=Output.STDOUT)
        equal((done.status, done.stdout, done.stderr), (SUCCESS, b"", b""), "merged, discarded")


async def check_output_comes_while_the_process_runs(engine: Engine) -> None:
    """Output can be read as it is written, while the process runs."""
    async with a_task(engine) as task:
        process = await start(task, "cat")
        for word in (b"one\n", b"two\n"):
            offset = process.stdout.end
            await process.write_stdin(word)
            chunk = await soon(process.stdout.read(offset), "output of a running process")
            equal(chunk, word, "output of a running process")
        assert process.poll() is None, "cat ended before its input"


async def check_big_output(engine: Engine) -> None:
    """Tens of megabytes arrive complete and in order, on both streams at once."""
    count = 250_000
    async with a_task(engine) as task:
        seq = f"seq -s {BETWEEN} 1 {count}"
        script = f"{seq} & {seq} >&2; wait"
        process = await start(task, "/bin/sh", "-c", script)
        done = await finished(process, "a program that prints 60 MB")
        expected = numbers(count, BETWEEN)
        assert done.stdout == expected, f"stdout is damaged ({len(done.stdout)} bytes)"
        assert done.stderr == expected, f"stderr is damaged ({len(done.stderr)} bytes)"


async def check_big_output_without_a_reader(engine: Engine) -> None:
    """A program can end before its output is read, as long as the log holds all of it."""
    count = 1_000_000
    async with a_task(engine) as task:
        process = await start(task, "seq", "1", str(count))
        equal(await soon(process.wait(), "seq with no reader"), SUCCESS, "seq")
        assert await soon(content(process.stdout), "its output") == numbers(count), "damaged"


async def check_flow_control(engine: Engine) -> None:
    """A program waits while the log is full of unread output, and continues as it is read."""
    async with a_task(engine) as task:
        capacity = (await start(task, "true")).stdout.capacity
        count = capacity // len(BETWEEN)  # so that the digits no longer fit
        process = await start(task, "seq", "-s", BETWEEN, "1", str(count))
        log = process.stdout
        await until(lambda: log.end == log.capacity, "the log fills up")
        equal(await sh(task, "echo free"), b"free\n", "another process meanwhile")
        assert process.poll() is None, f"seq ended with a full log: {process.poll()}"
        equal(log.end, log.capacity, "bytes held by a full log")
        assert await soon(content(log), "reading a full log") == numbers(count, BETWEEN), "damaged"
        equal(await soon(process.wait(), "seq, once read"), SUCCESS, "seq, once read")
        await raises(OutputDropped, log.read(0), "reading bytes that made room")


async def check_a_full_log_does_not_outlive_its_process(engine: Engine) -> None:
    """A program that waits for a reader can be killed, and what it wrote can be read."""
    async with a_task(engine) as task:
        process = await start(task, "cat", "/dev/zero")
        log = process.stdout
        await until(lambda: log.end == log.capacity, "the log fills up")
        await soon(process.signal(9), "signal(SIGKILL)")
        equal((await soon(process.wait(), "cat, killed")).signal, 9, "cat, killed")
        size = 0
        async for chunk in log.follow():
            size += len(chunk)
        assert size >= log.capacity, f"{size} bytes left of {log.capacity}"


async def check_replay_by_several_readers(engine: Engine) -> None:
    """Any number of readers get the same bytes, each from the offset it asks for."""
    count = 200_000
    async with a_task(engine) as task:
        process = await start(task, "/bin/sh", "-c", f"seq 1 {count}; cat")
        await line(process)
        offsets = (0, 1, 4095, 65536, 1_000_000)
        reads = [asyncio.ensure_future(content(process.stdout, offset)) for offset in offsets]
        await process.close_stdin()
        seen = await soon(asyncio.gather(*reads), "five readers")
        expected = numbers(count)
        for offset, data in zip(offsets, seen, strict=True):
            assert data == expected[offset:], f"the reader from byte {offset} saw other bytes"
        again = await soon(content(process.stdout, 17), "a late reader")
        assert again == expected[17:], "a late reader saw other bytes"


async def check_a_child_in_the_background_does_not_delay_the_end(engine: Engine) -> None:
    """Exit and end of output come with the process, though a child holds its streams."""
    async with a_task(engine) as task:
        process = await start(task, "/bin/sh", "-c", "sleep 100000 & echo started; exit 4")
        done = await finished(process, "a process that leaves a child behind")
        equal(done.status.code, 4, "its exit code")
        equal((done.stdout, done.stderr), (b"started\n", b""), "its output")


async def check_closing_streams_is_not_the_end(engine: Engine) -> None:
    """A program may close its output and run on."""
    async with a_task(engine) as task:
        script = "echo last; exec >&- 2>&-; cat > /dev/null; exit 6"
        process = await start(task, "/bin/sh", "-c", script)
        equal(await line(process), b"last", "output before closing")
        assert process.poll() is None, "closing its output ended the process"
        await process.close_stdin()
        equal((await finished(process, "the script")).status.code, 6, "its exit code")


async def check_last_words(engine: Engine) -> None:
    """What a process writes just before its end is never lost."""
    async with a_task(engine) as task:
        for turn in range(20):
            done = await run(
                task, "/bin/sh", "-c", "head -c 65536 /dev/zero; echo e >&2; kill -9 $$"
            )
            equal((len(done.stdout), done.stderr), (65536, b"e\n"), f"last words, turn {turn}")
