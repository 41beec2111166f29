"""Checks of starting programs: arguments, environment, working directory, exit."""

import asyncio
import contextlib

from ... import (
    Engine,
    ExitStatus,
    InvalidSpec,
    ProcessSpec,
    ProcessUser,
    SpawnFailed,
    Unsupported,
)
from ..check import isolated
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
    shown,
    soon,
    start,
)

SHOW_ARGUMENTS = ("printf", "<%s>")


async def check_exit_code(engine: Engine) -> None:
    """A process that ends by itself has the exit code it gave, and no signal."""
    async with a_task(engine) as task:
        equal((await run(task, "true")).status, ExitStatus(code=0), "true")
        equal((await run(task, "false")).status, ExitStatus(code=1), "false")
        for code in (2, 42, 126, 127, 128, 137, 255):
            done = await run(task, "/bin/sh", "-c", f"exit {code}")
            equal(done.status, ExitStatus(code=code), f"exit {code}")


async def check_exit_by_signal(engine: Engine) -> None:
    """A process that a signal ended has that signal, and no exit code."""
    async with a_task(engine) as task:
        for number in (1, 9, 15):
            done = await run(task, "/bin/sh", "-c", f"kill -{number} $$")
            equal(done.status, ExitStatus(signal=number), f"kill -{number} $$")
            equal(done.status.returncode, 128 + number, "returncode")


async def check_poll(engine: Engine) -> None:
    """`poll` gives nothing while a process runs, and its status afterwards."""
    async with a_task(engine) as task:
        process = await start(task, "cat")
        assert process.poll() is None, f"poll() of a running cat: {process.poll()}"
        await process.close_stdin()
        equal(await soon(process.wait(), "cat without input"), SUCCESS, "cat")
        equal(process.poll(), SUCCESS, "poll() after wait()")


async def check_many_waiters(engine: Engine) -> None:
    """Any number of callers can wait for one process, before and after its end."""
    async with a_task(engine) as task:
        process = await start(task, "/bin/sh", "-c", "cat; exit 3")
        waits = [asyncio.ensure_future(process.wait()) for _ in range(10)]
        await process.close_stdin()
        statuses = await soon(asyncio.gather(*waits), "ten wait()s for one process")
        equal(statuses, [ExitStatus(code=3)] * 10, "ten wait()s")
        equal(await soon(process.wait(), "a late wait()"), ExitStatus(code=3), "a late wait()")


async def check_a_cancelled_wait_leaves_the_process_alone(engine: Engine) -> None:
    """Giving up on `wait` neither ends the process nor disturbs other callers."""
    async with a_task(engine) as task:
        process = await start(task, "cat")
        impatient, patient = (asyncio.ensure_future(process.wait()) for _ in range(2))
        await asyncio.sleep(0)
        impatient.cancel()
        await process.write_stdin(b"alive\n")
        equal(await line(process), b"alive", "the process after a cancelled wait()")
        await process.close_stdin()
        equal(await soon(patient, "the other wait()"), SUCCESS, "the other wait()")


async def check_a_process_runs_as_another_user(engine: Engine) -> None:
    """A process of another user ends with its own status; it has the ids, if there are any here."""
    user = ProcessUser(1234, 1235, (1236,))
    async with a_task(engine) as task:
        with contextlib.suppress(SpawnFailed, Unsupported):  # where there is one user
            process = await soon(task.exec(ProcessSpec(("cat",), user=user)), "exec() as a user")
            await process.write_stdin(b"there\n")
            equal(await line(process), b"there", "a process of another user")
            await process.close_stdin()
            equal(await soon(process.wait(), "cat"), SUCCESS, "cat")
        wrong = ProcessSpec(("true",), user=ProcessUser(-1, 0))
        await raises(InvalidSpec, task.exec(wrong), f"exec({wrong})")


async def check_arguments_arrive_exactly(engine: Engine) -> None:
    """Every argument arrives as it was given: nothing is split, joined, quoted or expanded."""
    arguments = (
        "plain", "two words", "", " ", "it's", '"quoted"', "a\tb\nc", "$HOME", "`id`", "*", "~",
        "\\n", "-n", "--", ";", "&&", "|", "#", "%s", "é", "日本語", "🧪", "\x01\x7f", "e\u0301",
    )  # fmt: skip
    async with a_task(engine) as task:
        done = await run(task, *SHOW_ARGUMENTS, *arguments)
        equal(done.stdout.decode(), "".join(f"<{a}>" for a in arguments), "the arguments seen")


async def check_arguments_of_any_bytes(engine: Engine) -> None:
    """Arguments that are not UTF-8 arrive as the bytes that `surrogateescape` stands for."""
    raw = bytes(range(1, 256))
    async with a_task(engine) as task:
        done = await run(task, *SHOW_ARGUMENTS, raw.decode("utf-8", "surrogateescape"))
        equal(done.stdout, b"<%s>" % raw, "all bytes but NUL")


async def check_large_arguments(engine: Engine) -> None:
    """A command line may be long: one argument of 100 kB, or twenty thousand of them."""
    async with a_task(engine) as task:
        long = "x" * 100_000
        done = await run(task, *SHOW_ARGUMENTS, long)
        equal(done.stdout.decode(), f"<{long}>", "one long argument")
        many = tuple(str(number) for number in range(20_000))
        done = await run(task, "/bin/sh", "-c", "echo $#", "sh", *many)
        equal(done.stdout, b"20000\n", "the number of arguments")


async def check_command_is_looked_up_in_path(engine: Engine) -> None:
    """A command without a slash is looked up in the `PATH` of the process."""
    async with a_task(engine, env={"PATH": "/opt/one:/usr/bin:/bin"}) as task:
        for directory in ("one", "two"):
            await sh(
                task,
                f"mkdir -p /opt/{directory};"
                f"printf '#!/bin/sh\\necho {directory}\\n' > /opt/{directory}/pick;"
                f"chmod 755 /opt/{directory}/pick",
            )
        equal((await run(task, "pick")).stdout, b"one\n", "PATH of the task")
        done = await run(task, "pick", env={"PATH": "/nowhere:/opt/two:/opt/one:/usr/bin:/bin"})
        equal(done.stdout, b"two\n", "PATH of the process")


async def check_command_with_a_slash_is_not_looked_up(engine: Engine) -> None:
    """A command with a slash is a path, and a relative one starts at the working directory."""
    async with a_task(engine, workdir="/srv") as task:
        await sh(task, "mkdir d; printf '#!/bin/sh\\necho $0\\n' > d/here; chmod 755 d/here")
        shown = (await run(task, "/srv/d/here")).stdout
        equal(shown, f"{task.folder.rstrip('/')}/srv/d/here\n".encode(), "an absolute path")
        equal((await run(task, "./d/here")).status, SUCCESS, "a path from the task's directory")
        done = await run(task, "./here", workdir="/srv/d")
        equal(done.status, SUCCESS, "a path from the process's directory")


async def check_environment_of_the_task(engine: Engine) -> None:
    """Every process of a task has the environment of the task, the main process too."""
    values = {
        "A": "1",
        "SPACES": " a  b ",
        "EMPTY": "",
        "LINES": "x\ny",
        "UNICODE": "日本",
        "E": "a=b",
    }
    script = 'printf "<%s>" "$A" "$SPACES" "$EMPTY" "$LINES" "$UNICODE" "$E" "${E+set}"'
    expected = "<1>< a  b ><><x\ny><日本><a=b><set>".encode()
    async with a_task(engine, "/bin/sh", "-c", script + "; cat", env=values) as task:
        assert task.main is not None, "a task with a main process has no main"
        equal(await sh(task, script), expected, "the environment of a process")
        await task.main.close_stdin()
        equal((await finished(task.main, "main")).stdout, expected, "the environment of main")


async def check_environment_of_a_process(engine: Engine) -> None:
    """The environment of a process wins over that of the task, for that process only."""
    async with a_task(engine, env={"A": "task", "B": "task"}) as task:
        show = ("/bin/sh", "-c", "echo $A $B $C")
        done = await run(task, *show, env={"B": "process", "C": "process"})
        equal(done.stdout, b"task process process\n", "the environment of a process")
        equal((await run(task, *show)).stdout, b"task task\n", "the environment of the next")


async def check_environment_has_a_path(engine: Engine) -> None:
    """Without any given environment, programs still find the usual ones in `PATH`."""
    async with a_task(engine) as task:
        await sh(task, "ls / | wc -l")
        equal((await run(task, "env", env={"X": "1"})).status, SUCCESS, "env")


@isolated("a directory that does not exist is not made on the machine")
async def check_workdir_of_the_task(engine: Engine) -> None:
    """The working directory of a task is created if need be, and is where its processes start."""
    async with a_task(engine, "/bin/sh", "-c", "pwd; cat", workdir="/srv/made/here") as task:
        assert task.main is not None, "a task with a main process has no main"
        equal(await line(task.main), b"/srv/made/here", "the directory of main")
        equal((await run(task, "pwd")).stdout, b"/srv/made/here\n", "the directory of a process")


async def check_default_workdir(engine: Engine) -> None:
    """Processes start in one directory of the task unless a specification says otherwise."""
    async with a_task(engine, "/bin/sh", "-c", "pwd; cat") as task:
        assert task.main is not None, "a task with a main process has no main"
        expected = task.default_workdir.encode()
        equal(await line(task.main), expected, "the directory of main")
        equal((await run(task, "pwd")).stdout, expected + b"\n", "the directory of a process")


@isolated("/root is the home of the machine's root")
async def check_default_workdir_is_the_home_of_root(engine: Engine) -> None:
    """That directory is `/root`."""
    async with a_task(engine) as task:
        equal((await run(task, "pwd")).stdout, b"/root\n", "the directory of a process")


async def check_workdir_of_a_process(engine: Engine) -> None:
    """The working directory of a process wins over that of the task, for that process only."""
    async with a_task(engine, workdir="/srv") as task:
        equal((await run(task, "pwd", workdir="/")).stdout, b"/\n", "the directory of a process")
        shown = (await run(task, "pwd")).stdout
        equal(shown, f"{task.folder.rstrip('/')}/srv\n".encode(), "the directory of the next")


@isolated("the name of the machine is the machine's")
async def check_hostname(engine: Engine) -> None:
    """The name of the machine is the one that the specification asks for."""
    async with a_task(engine, hostname="tidy-name") as task:
        equal(await sh(task, "uname -n"), b"tidy-name\n", "uname -n")


async def check_processes_share_the_task(engine: Engine) -> None:
    """What one process writes, the next one reads."""
    async with a_task(engine) as task:
        await sh(task, "echo shared > /tmp/note")
        equal(await sh(task, "cat /tmp/note"), b"shared\n", "a file of another process")


async def check_fifty_at_once(engine: Engine) -> None:
    """Many processes run at once, and each keeps its own input, output and status."""

    async def one(number: int) -> None:
        script = f"cat; echo err{number} >&2; exit {number}"
        done = await run(task, "/bin/sh", "-c", script, stdin=b"in%d\n" % number)
        equal(done.status, ExitStatus(code=number), shown((script,)))
        equal(done.stdout, b"in%d\n" % number, shown((script,)))
        equal(done.stderr, b"err%d\n" % number, shown((script,)))

    async with a_task(engine) as task:
        await soon(asyncio.gather(*(one(number) for number in range(50))), "fifty processes")


async def check_a_cancelled_exec_leaves_the_task_usable(engine: Engine) -> None:
    """Giving up on `exec`, at whatever moment, harms neither the task nor other calls."""
    async with a_task(engine) as task:
        for turns in range(30):
            call = asyncio.ensure_future(run(task, "/bin/sh", "-c", "echo lost; cat"))
            other = asyncio.ensure_future(run(task, "echo", "kept"))
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
            equal((await other).stdout, b"kept\n", f"another exec, {turns} turns in")
        equal(await sh(task, "echo fine"), b"fine\n", "the task afterwards")


async def check_output_outlives_the_process(engine: Engine) -> None:
    """The output of a process can be read after its end, again and again."""
    async with a_task(engine) as task:
        process = await start(task, "echo", "kept")
        await soon(process.wait(), "echo")
        for _ in range(2):
            equal(await soon(content(process.stdout), "output"), b"kept\n", "output read late")
