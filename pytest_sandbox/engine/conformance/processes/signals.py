"""Checks of signals."""

from signal import SIGKILL, SIGTERM, SIGUSR1

from ... import Engine, ExitStatus
from ..support import SUCCESS, a_task, content, equal, finished, line, sh, soon, start


async def check_signal_ends_a_process(engine: Engine) -> None:
    """A signal reaches the process; one that it does not handle ends it."""
    async with a_task(engine) as task:
        for number in (SIGTERM, SIGKILL):
            process = await start(task, "cat")
            await soon(process.signal(number), f"signal({number})")
            status = await soon(process.wait(), f"cat after signal {number}")
            equal(status, ExitStatus(signal=number), f"cat after signal {number}")


async def check_signal_can_be_handled(engine: Engine) -> None:
    """A program may handle a signal and continue, with its own exit code at the end."""
    async with a_task(engine) as task:
        script = "trap 'echo caught; exit 7' USR1; echo ready; while :; do sleep 0.01; done"
        process = await start(task, "/bin/sh", "-c", script)
        await line(process)
        await soon(process.signal(SIGUSR1), "signal(SIGUSR1)")
        done = await finished(process, "a program that handles SIGUSR1")
        equal((done.status, done.stdout), (ExitStatus(code=7), b"ready\ncaught\n"), "the handler")


async def check_sigterm_can_be_ignored_and_sigkill_cannot(engine: Engine) -> None:
    """A program that ignores `SIGTERM` runs on, and ends by `SIGKILL`."""
    async with a_task(engine) as task:
        process = await start(task, "/bin/sh", "-c", "trap '' TERM; echo ready; cat; exit 5")
        await line(process)
        await soon(process.signal(SIGTERM), "signal(SIGTERM)")
        await process.write_stdin(b"still here\n")
        while b"still here" not in process.stdout.tail(100):
            await soon(process.stdout.read(process.stdout.end), "an answer after SIGTERM")
        await soon(process.signal(SIGKILL), "signal(SIGKILL)")
        status = await soon(process.wait(), "the process after SIGKILL")
        equal(status, ExitStatus(signal=SIGKILL), "the process after SIGKILL")


async def check_signal_reaches_descendants(engine: Engine) -> None:
    """A signal reaches the descendants of the process, so that none holds its output."""
    async with a_task(engine) as task:
        script = "sh -c 'cat; sleep 100000' & sleep 100000 & echo ready; wait"
        process = await start(task, "/bin/sh", "-c", script)
        await line(process)
        await soon(process.signal(SIGKILL), "signal(SIGKILL)")
        equal((await soon(process.wait(), "the shell")).signal, SIGKILL, "the shell")
        await soon(content(process.stdout), "the output of a killed family")


async def check_signal_spares_other_processes(engine: Engine) -> None:
    """A signal to one process leaves its neighbours alone."""
    async with a_task(engine) as task:
        neighbour, target = await start(task, "cat"), await start(task, "cat")
        await soon(target.signal(SIGKILL), "signal(SIGKILL)")
        await soon(target.wait(), "the target")
        await neighbour.write_stdin(b"alive\n")
        equal(await line(neighbour), b"alive", "the neighbour")


async def check_signal_after_the_end(engine: Engine) -> None:
    """A signal to a process that ended does nothing, to it or to any other."""
    async with a_task(engine) as task:
        process = await start(task, "true")
        await soon(process.wait(), "true")
        await soon(process.signal(SIGKILL), "signal() after the end")
        equal(process.poll(), SUCCESS, "the status after a late signal")
        equal(await sh(task, "echo fine"), b"fine\n", "the task after a late signal")
