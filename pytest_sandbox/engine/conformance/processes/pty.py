"""Terminals. These checks use `stty` and `tty` besides the programs that all checks use."""

from signal import SIGHUP, SIGINT, SIGKILL

from ... import Capability, Engine, ExitStatus, Process, ProcessSpec, PtySize, Task
from ..check import requires
from ..support import a_task, content, equal, finished, raises, sh, shown, soon

needs_pty = requires(Capability.PTY)


async def on_terminal(task: Task, *argv: str, size: PtySize | None = None) -> Process:
    """A process on a terminal."""
    spec = ProcessSpec(argv, pty=size or PtySize())
    return await soon(task.exec(spec), f"exec({shown(argv)}) on a terminal")


async def until_shown(process: Process, text: bytes) -> None:
    """Wait until a terminal showed something."""

    async def read() -> None:
        seen = b""
        while text not in seen:
            chunk = await process.stdout.read(len(seen))
            assert chunk, f"the terminal ended before it showed {text!r}: {seen!r}"
            seen += chunk

    await soon(read(), f"the wait for {text!r} on a terminal")


@needs_pty
async def check_all_three_streams_are_the_terminal(engine: Engine) -> None:
    """Input, output and error are one terminal; `stderr` is empty and ended."""
    script = "test -t 0 && test -t 1 && test -t 2 && echo yes; echo err >&2"
    async with a_task(engine) as task:
        done = await finished(await on_terminal(task, "/bin/sh", "-c", script), "the script")
        equal((done.stdout, done.stderr), (b"yes\r\nerr\r\n", b""), "the terminal")


@needs_pty
async def check_it_is_the_controlling_terminal(engine: Engine) -> None:
    """The terminal controls the process: `/dev/tty` is it."""
    async with a_task(engine) as task:
        process = await on_terminal(task, "/bin/sh", "-c", "echo to-tty > /dev/tty")
        equal((await finished(process, "the script")).stdout, b"to-tty\r\n", "the terminal")


@needs_pty
async def check_size(engine: Engine) -> None:
    """The terminal has the size asked for; `resize` changes it, and programs are signalled."""
    async with a_task(engine) as task:
        script = "trap 'stty size' WINCH; stty size; while :; do sleep 0.01; done"
        size = PtySize(rows=33, columns=101)
        process = await on_terminal(task, "/bin/sh", "-c", script, size=size)
        await until_shown(process, b"33 101\r\n")
        await soon(process.resize(PtySize(rows=50, columns=7)), "resize()")
        await until_shown(process, b"50 7\r\n")
        await soon(process.signal(SIGKILL), "signal(SIGKILL)")
        await soon(process.wait(), "the script")
        await soon(process.resize(PtySize()), "resize() after the end")


@needs_pty
async def check_default_size(engine: Engine) -> None:
    """A terminal has 24 rows of 80 characters unless asked otherwise."""
    async with a_task(engine) as task:
        done = await finished(await on_terminal(task, "stty", "size"), "stty size")
        equal(done.stdout, b"24 80\r\n", "the size")


@needs_pty
async def check_line_discipline(engine: Engine) -> None:
    """The terminal echoes, edits lines, and turns control characters into signals."""
    async with a_task(engine) as task:
        process = await on_terminal(task, "cat")
        await process.write_stdin(b"wrong\x15right\n")
        await until_shown(process, b"\r\nright\r\n")
        await process.write_stdin(b"\x03")
        status = await soon(process.wait(), "cat after control-C")
        equal(status, ExitStatus(signal=SIGINT), "cat after control-C")


@needs_pty
async def check_end_of_input(engine: Engine) -> None:
    """`close_stdin` lets a program on a terminal see the end of its input."""
    async with a_task(engine) as task:
        process = await on_terminal(task, "cat")
        await process.write_stdin(b"last\n")
        await soon(process.close_stdin(), "close_stdin()")
        done = await finished(process, "cat after the end of input")
        equal((done.status.code, done.stdout.count(b"last\r\n")), (0, 2), "cat")


@needs_pty
async def check_big_output_of_a_terminal(engine: Engine) -> None:
    """All that a program prints on a terminal arrives before the end."""
    async with a_task(engine) as task:
        done = await finished(await on_terminal(task, "seq", "1", "200000"), "seq")
        expected = b"".join(b"%d\r\n" % number for number in range(1, 200_001))
        assert done.stdout == expected, f"damaged, {len(done.stdout)} of {len(expected)} bytes"


@needs_pty
async def check_a_child_in_the_background_does_not_delay_the_end(engine: Engine) -> None:
    """The end of the process is the end of its output, though a child holds the terminal."""
    async with a_task(engine) as task:
        script = "trap '' HUP; sleep 100000 & echo started"
        done = await finished(await on_terminal(task, "/bin/sh", "-c", script), "the script")
        equal((done.status.code, done.stdout), (0, b"started\r\n"), "the script")


@needs_pty
async def check_kill_on_a_terminal(engine: Engine) -> None:
    """A signal reaches a process on a terminal, and its output ends."""
    async with a_task(engine) as task:
        for number in (SIGHUP, SIGKILL):
            process = await on_terminal(task, "cat")
            await soon(process.signal(number), f"signal({number})")
            equal(await soon(process.wait(), "cat"), ExitStatus(signal=number), "cat")
            await soon(content(process.stdout), "the output of the terminal")
            await raises(BrokenPipeError, process.write_stdin(b"x"), "a write after the end")


@needs_pty
async def check_terminals_are_separate(engine: Engine) -> None:
    """Each process on a terminal has one of its own."""
    async with a_task(engine) as task:
        script = "tty; cat"
        processes = [await on_terminal(task, "/bin/sh", "-c", script) for _ in range(3)]
        names = set()
        for process in processes:
            await until_shown(process, b"\r\n")
            names.add(process.stdout.tail(1000))
        equal(len(names), 3, f"how many terminals {names} are")
        equal(await sh(task, "test -t 1 || echo none"), b"none\n", "a process without one")
