"""Commands that a test scripts."""

import re
from collections.abc import Callable
from errno import EACCES

import pytest

from pytest_sandbox.engine import ExitStatus, ProcessSpec, SpawnFailed, StoreFull, Task
from pytest_sandbox.fakes import ANY, Call, FakeEngine, Script, VirtualClock

from .conftest import content, run

pytestmark = pytest.mark.asyncio


async def test_a_reply_has_output_errors_a_code_and_files(engine: FakeEngine, task: Task) -> None:
    engine.on_exec("make", "all").reply(
        stdout="built\n", stderr=b"warning\n", code=3, files={"out/a.o": b"\0", "/etc/made": "yes"}
    )
    process = await task.exec(ProcessSpec(("make", "all"), workdir="/srv"))
    assert await process.wait() == ExitStatus(code=3)
    assert await content(process.stdout) == b"built\n"
    assert await content(process.stderr) == b"warning\n"
    assert (await run(task, "cat", "/etc/made")).stdout == b"yes"
    assert (await task.files.stat("/srv/out/a.o")).size == 1


async def test_a_script_without_an_action_succeeds(engine: FakeEngine, task: Task) -> None:
    engine.on_exec("deploy")
    assert (await run(task, "deploy")).status.code == 0
    assert engine.unused == []


async def test_a_reply_can_be_a_death_by_signal(engine: FakeEngine, task: Task) -> None:
    engine.on_exec("crash").reply(stdout="last", signal=11)
    done = await run(task, "crash")
    assert (done.status, done.stdout) == (ExitStatus(signal=11), b"last")


@pytest.mark.parametrize(
    ("words", "yes", "no"),
    [
        (("pip", "install", "x"), [["pip", "install", "x"]], [["pip"], ["pip", "install", "y"]]),
        (("pip", ANY), [["pip", "a"], ["pip", ""]], [["pip"], ["pip", "a", "b"]]),
        (("pip", ...), [["pip"], ["pip", "a", "b"]], [["pipx"]]),
        ((re.compile("py.*3"), ...), [["python3"], ["python3", "-c"]], [["python3.1"]]),
        (("say", str.isdigit), [["say", "12"]], [["say", "x"]]),
        ((...,), [["anything", "at", "all"]], []),
    ],
)
async def test_words_match(
    engine: FakeEngine,
    task: Task,
    words: tuple[str, ...],
    yes: list[list[str]],
    no: list[list[str]],
) -> None:
    engine.on_exec(*words).reply(stdout="scripted")
    for argv in yes:
        assert (await run(task, *argv)).stdout == b"scripted"
    for argv in no:
        with pytest.raises(SpawnFailed):
            await run(task, *argv)


async def test_the_last_script_wins_and_gives_way_when_used_up(
    engine: FakeEngine, task: Task
) -> None:
    engine.on_exec("x").reply(stdout="old")
    engine.on_exec("x").reply(stdout="new").times(2)
    assert [(await run(task, "x")).stdout for _ in range(3)] == [b"new", b"new", b"old"]


async def test_scripts_count_in_sandboxes_that_run_already_and_win_over_what_is_built_in(
    engine: FakeEngine, task: Task
) -> None:
    assert (await run(task, "uname", "-s")).stdout == b"Linux\n"
    engine.on_exec("uname", ...).reply(stdout="Plan 9\n")
    engine.on_exec("echo", "hi").reply(stdout="scripted\n")
    assert (await run(task, "uname", "-s")).stdout == b"Plan 9\n"
    assert (await run(task, "sh", "-c", "uname; echo hi; echo ho")).stdout == (
        b"Plan 9\nscripted\nho\n"
    )


async def test_a_shell_pipes_into_and_out_of_scripts(engine: FakeEngine, task: Task) -> None:
    def upper(call: Call) -> bytes:
        return call.stdin.upper()

    engine.on_exec("upper").calls(upper, stdin=True)
    done = await run(task, "bash", "-c", "echo one | upper | cat -; upper <<< two > f; cat f")
    assert done.stdout == b"ONE\nTWO\n"


async def test_a_handler_sees_the_process_and_its_files(engine: FakeEngine, task: Task) -> None:
    seen: list[object] = []

    def handler(call: Call) -> int:
        seen.extend((call.argv, call.env["MODE"], call.cwd, call.files.listdir()))
        call.files.write("result", call.files.read_text("input") + "!")
        call.files.remove("input")
        call.out("out")
        call.err("err")
        return 7

    engine.on_exec("tool", "-v").calls(handler)
    await run(task, "sh", "-c", "mkdir -p /srv/w; printf in > /srv/w/input")
    spec = ProcessSpec(("tool", "-v"), env={"MODE": "test"}, workdir="/srv/w")
    process = await task.exec(spec)
    assert (await process.wait()).code == 7
    assert seen == [("tool", "-v"), "test", "/srv/w", ["input"]]
    assert (await content(process.stdout), await content(process.stderr)) == (b"out", b"err")
    assert (await run(task, "sh", "-c", "cd /srv/w; ls; cat result")).stdout == b"result\nin!"


async def test_an_asynchronous_handler_talks_with_the_caller(
    engine: FakeEngine, task: Task
) -> None:
    async def shell(call: Call) -> None:
        while line := await call.read():
            call.out(b"> " + line)
            await call.flush()

    engine.on_exec("repl").calls(shell)
    process = await task.exec(ProcessSpec(("repl",)))
    for word in (b"one\n", b"two\n"):
        offset = process.stdout.end
        await process.write_stdin(word)
        assert await process.stdout.read(offset) == b"> " + word
    await process.close_stdin()
    assert (await process.wait()).code == 0


async def test_a_handler_that_raises_is_a_problem_with_its_traceback(
    engine: FakeEngine, task: Task
) -> None:
    def broken(call: Call) -> None:
        raise KeyError("no such thing")

    engine.on_exec("x").calls(broken)
    done = await run(task, "x")
    assert (done.status.code, done.stderr) == (70, b"x: KeyError: 'no such thing'\n")
    (problem,) = engine.problems
    assert "the handler of x raised" in problem
    assert "in broken" in problem


async def test_a_handler_that_returns_no_exit_code_is_a_problem(
    engine: FakeEngine, task: Task
) -> None:
    engine.on_exec("x").calls(lambda call: 256)
    assert (await run(task, "x")).status.code == 70
    assert "0 to 255, not 256" in engine.problems[0]


async def test_a_start_can_fail(engine: FakeEngine, task: Task) -> None:
    engine.on_exec("a").raises(PermissionError(EACCES, "no", "a"))
    engine.on_exec("b").raises(StoreFull("no room for b"))
    with pytest.raises(SpawnFailed, match="Permission denied") as caught:
        await task.exec(ProcessSpec(("a",)))
    assert caught.value.errno == EACCES
    with pytest.raises(StoreFull, match="no room"):
        await task.exec(ProcessSpec(("b",)))
    done = await run(task, "sh", "-c", "a; echo $?; b; echo $?")
    assert done.stdout == b"126\n126\n"
    assert b"no room for b" in done.stderr


async def test_delays_and_streams_take_the_time_of_the_clock(
    engine: FakeEngine, task: Task
) -> None:
    clock = engine.clock
    assert isinstance(clock, VirtualClock)
    engine.on_exec("slow").stream(["a", b"b"], every=10, code=4).delay(100)
    process = await task.exec(ProcessSpec(("slow",)))
    shown = []
    for seconds in (109, 1, 9, 1):
        await clock.advance(seconds)
        shown.append((process.stdout.tail(9), process.poll()))
    assert shown == [(b"", None), (b"a", None), (b"a", None), (b"ab", ExitStatus(code=4))]


async def test_a_command_can_hang_until_it_is_killed(engine: FakeEngine, task: Task) -> None:
    engine.on_exec("stuck").hang()
    process = await task.exec(ProcessSpec(("stuck",)))
    assert isinstance(engine.clock, VirtualClock)
    await engine.clock.advance(10**6)
    assert process.poll() is None
    await process.signal(15)
    assert await process.wait() == ExitStatus(signal=15)


async def test_a_condition_decides_on_the_circumstances(engine: FakeEngine, task: Task) -> None:
    engine.on_exec("x").reply(stdout="plain")
    engine.on_exec("x").where(lambda call: call.cwd == "/srv").reply(stdout="special")
    assert (await run(task, "x")).stdout == b"plain"
    assert (await run(task, "sh", "-c", "cd /srv; x")).stdout == b"special"


async def test_an_unknown_command_fails_loudly_and_shows_the_nearest_script(
    engine: FakeEngine, task: Task
) -> None:
    engine.on_exec("git", "push", ...)
    engine.on_exec("pip", "install", "flask", "-q")
    with pytest.raises(SpawnFailed) as caught:
        await task.exec(ProcessSpec(("pip", "install", "django", "-q")))
    message = str(caught.value)
    assert "the nearest script is `pip install flask -q` (test_scripts.py:" in message
    assert "word 2: expected 'flask', got 'django'" in message
    (problem,) = engine.problems
    assert problem.startswith("unscripted command: pip install django -q\n")


async def test_an_unknown_command_in_a_shell_gives_127_and_is_a_problem(
    engine: FakeEngine, task: Task
) -> None:
    done = await run(task, "sh", "-c", "cargo build; echo $?")
    assert done.stdout == b"127\n"
    assert b"sh: cargo: No such file or directory" in done.stderr
    assert b"no command is scripted" in done.stderr
    assert engine.problems[0].startswith("unscripted command: cargo build")


async def test_a_script_used_up_is_named_as_the_nearest(engine: FakeEngine, task: Task) -> None:
    engine.on_exec("once").times(1)
    await run(task, "once")
    with pytest.raises(SpawnFailed, match="it was used 1 times"):
        await run(task, "once")


async def test_scripts_that_were_not_used_are_told(engine: FakeEngine, task: Task) -> None:
    engine.on_exec("used")
    engine.on_exec("never", ANY)
    engine.on_exec("twice").times(2)
    engine.on_exec("perhaps").optional()
    await run(task, "used")
    await run(task, "twice")
    never, twice = engine.unused
    assert re.fullmatch(
        r"the script for `never ANY` \(test_scripts.py:\d+\) was used 0 times, not 1", never
    )
    assert "`twice`" in twice
    assert "used 1 times, not 2" in twice


async def test_a_script_that_another_one_hides_is_told_with_the_other(
    engine: FakeEngine, task: Task
) -> None:
    engine.on_exec("x", ANY).reply(code=1)
    engine.on_exec("x", ANY).reply(code=2)
    assert (await run(task, "x", "y")).status.code == 2
    (hidden,) = engine.unused
    assert re.search(
        r"was used 0 times, not 1; `x ANY` \(test_scripts.py:\d+\) comes first", hidden
    )


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda e: e.on_exec(), ValueError, "never match"),
        (lambda e: e.on_exec(""), ValueError, "never match"),
        (lambda e: e.on_exec("a\0"), ValueError, "holds a NUL"),
        (lambda e: e.on_exec(..., "x"), ValueError, "last word"),
        (lambda e: e.on_exec("a", 3), TypeError, "3 matches no word"),
        (lambda e: e.on_exec("a").times(0), ValueError, "not 0 times"),
        (lambda e: e.on_exec("a").delay(-1), ValueError, "not -1"),
        (lambda e: e.on_exec("a").stream([], every=-1), ValueError, "not -1"),
        (lambda e: e.on_exec("a").reply(code=256), ValueError, "not 256"),
        (lambda e: e.on_exec("a").reply(signal=1000), ValueError, "1000 is not a signal"),
        (lambda e: e.on_exec("a").reply().hang(), ValueError, "has an action already"),
        (lambda e: e.on_exec("a").raises(KeyError()), TypeError, "KeyError"),
    ],
)
async def test_scripts_that_make_no_sense_are_refused(
    engine: FakeEngine,
    make: Callable[[FakeEngine], Script],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        make(engine)


async def test_enormous_input_waits_for_a_handler_and_is_bounded(
    engine: FakeEngine, task: Task
) -> None:
    sizes: list[int] = []

    async def count(call: Call) -> None:
        while data := await call.read():
            sizes.append(len(data))

    engine.on_exec("count").calls(count)
    process = await task.exec(ProcessSpec(("count",)))
    await process.write_stdin(bytes(10_000_000))
    await process.close_stdin()
    await process.wait()
    assert sum(sizes) == 10_000_000
    assert max(sizes) <= 65536
