"""What the shell in memory says of what it does not do, and what only it can be asked."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_sandbox.engine import ExitStatus, Limits, ProcessSpec, Task, TaskSpec
from pytest_sandbox.fakes import FakeEngine, VirtualClock
from pytest_sandbox.fakes.shell.parse import parse
from pytest_sandbox.fakes.shell.words import SyntaxProblem, Unknown

from .conftest import content, run


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("shell", "script", "named"),
    [
        ("bash", "cat <(echo x)", "the process substitution <(...)"),
        ("bash", "a=(1 2)", "an array"),
        ("bash", "a[1]=x", "an array"),
        ("bash", "a+=x", "the assignment +="),
        ("bash", "echo {a,b}", "the brace expansion {a,b}"),
        ("bash", "echo a{1..3}", "the brace expansion {a,b}"),
        ("bash", "[[ a =~ b ]]", "the operator =~ in [[ ... ]]"),
        ("bash", "[[ a < b ]]", "the comparison < in [[ ... ]]"),
        ("bash", "((x = 1))", "the command ((...))"),
        ("bash", "for ((i=0;i<3;i++)); do :; done", "the loop for ((...))"),
        ("bash", "select x in a; do :; done", "the loop select"),
        ("bash", "function f { :; }", "the keyword function"),
        ("bash", "coproc cat", "the keyword coproc"),
        ("bash", "time true", "the keyword time"),
        ("bash", "echo a |& cat", "the pipe |&"),
        ("bash", 'echo $"x"', 'the translated string $"..."'),
        ("bash", "echo $'\\x41'", "the escape \\x in $'...'"),
        ("bash", "declare -a x", "the command declare"),
        ("sh", "echo ${x/a/b}", "the expansion ${x/...}"),
        ("sh", "echo ${x:1:2}", "the expansion ${x:...}"),
        ("sh", "echo ${!x}", "the indirection ${!...}"),
        ("sh", "echo $((x=1))", "the operator = in $((...))"),
        ("sh", "echo ~root", "the home directory of a named user"),
        ("sh", "case x in x) ;;& esac", "the end ;;& of a case"),
        ("sh", "echo x >& file", "the redirection >&file"),
        ("sh", "getopts ab x", "the command getopts"),
        ("sh", "set -m", "the option -m"),
        ("sh", "grep -E 'a|b' f", "option -E"),
        ("sh", "grep 'a.*b' f", "the regular expression 'a.*b'"),
        ("sh", "tail -f x", "option -f"),
        ("sh", "printf %q x", "printf %q"),
        ("sh", "seq 1.5", "number '1.5'"),
        ("sh", "chmod u=g .", "the mode 'u=g'"),
    ],
)
async def test_what_is_not_supported_is_named_to_the_program_and_to_the_test(
    engine: FakeEngine, task: Task, shell: str, script: str, named: str
) -> None:
    done = await run(task, shell, "-c", script)
    assert (done.status.code, done.stdout) == (2, b"")
    assert named in done.stderr.decode()
    assert "is not supported by the engine in memory" in done.stderr.decode()
    assert named in "\n".join(engine.problems)


@pytest.mark.asyncio
async def test_a_script_with_a_construct_that_is_not_known_does_nothing_at_all(
    engine: FakeEngine, task: Task
) -> None:
    done = await run(task, "bash", "-c", "echo began; : > f; cat <(true)")
    assert done.stdout == b""
    assert (await run(task, "ls", "f")).stdout == b""


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "script",
    ["echo 'open",
     'echo "open', "echo $(x", "if true; then", "a ;; b", "( a", "echo `x", ")", "| a",
     "a && ", "for 1 in; do :; done", "case x in", "echo ${x", "{ a", "a; fi", "echo $((1+", "&"],
)  # fmt: skip
async def test_a_script_that_no_shell_would_run_ends_with_2(
    engine: FakeEngine, task: Task, script: str
) -> None:
    done = await run(task, "sh", "-c", script)
    assert (done.status.code, done.stdout) == (2, b"")
    assert b"Syntax error" in done.stderr
    assert engine.problems == []


@pytest.mark.asyncio
async def test_nesting_without_end_is_refused_not_followed(task: Task) -> None:
    done = await run(task, "sh", "-c", "( " * 5000 + "true" + ")" * 5000)
    assert (done.status.code, b"nested too deeply" in done.stderr) == (2, True)
    done = await run(task, "sh", "-c", "f() { f; }; f; echo never")
    assert (done.status.code, b"nested too deeply" in done.stderr) == (2, True)
    assert done.stdout == b""


tokens = st.lists(
    st.sampled_from(
        [
            *list(" \n\t;&|<>(){}!#$`'\"\\*?[]~=:-+%/0aA"),
            "if ",
            "then ",
            "fi ",
            "do ",
            "done ",
            "for ",
            "in ",
            "case ",
            "esac ",
            "<<E\n",
            "E\n",
            "$((",
            "))",
            "${",
            "$(",
            "&&",
            "||",
            ";;",
            "[[ ",
            " ]]",
            "2>&1",
            "while ",
            "f()",
        ]
    ),
    max_size=25,
).map("".join)


@settings(deadline=None, derandomize=True, max_examples=500)
@given(text=tokens, bash=st.booleans())
def test_any_text_is_read_or_refused(text: str, bash: bool) -> None:
    outcome = "read"
    try:
        parse(text, bash=bash)
    except (SyntaxProblem, Unknown) as error:
        outcome = str(error)
    assert outcome


@pytest.mark.asyncio
async def test_a_script_can_come_from_a_file_or_from_input(task: Task) -> None:
    await run(task, "sh", "-c", "echo 'echo $0 $1 $#' > /tmp/s")
    assert (await run(task, "bash", "/tmp/s", "a", "b")).stdout == b"/tmp/s a 2\n"
    assert (await run(task, "sh", stdin=b"x=5\necho in $x\nexit 3\n")).stdout == b"in 5\n"
    assert (await run(task, "sh", "/none")).status.code == 2


@pytest.mark.asyncio
async def test_an_endless_loop_lets_others_run_and_can_be_killed(task: Task) -> None:
    process = await task.exec(ProcessSpec(("sh", "-c", "while :; do :; done")))
    busy = await task.exec(ProcessSpec(("sh", "-c", "yes > /dev/null")))
    assert (await run(task, "echo", "free")).stdout == b"free\n"
    await process.signal(9)
    await busy.signal(9)
    assert [await process.wait(), await busy.wait()] == [ExitStatus(signal=9)] * 2


@pytest.mark.asyncio
async def test_sleep_takes_the_time_of_the_clock(engine: FakeEngine, task: Task) -> None:
    assert isinstance(engine.clock, VirtualClock)
    script = "for i in 1 2 3; do sleep 100; echo $i; done"
    process = await task.exec(ProcessSpec(("sh", "-c", script)))
    await engine.clock.advance(250)
    assert process.stdout.tail(99) == b"1\n2\n"
    await engine.clock.advance(50)
    assert await process.wait() == ExitStatus(code=0)


@pytest.mark.asyncio
async def test_a_trap_interrupts_wait(engine: FakeEngine, task: Task) -> None:
    assert isinstance(engine.clock, VirtualClock)
    script = "trap 'echo trapped' USR1; sleep 1000 & echo $$; wait; echo $?; wait; echo $?"
    process = await task.exec(ProcessSpec(("sh", "-c", script)))
    pid = (await process.stdout.read(0)).decode().strip()
    await engine.clock.advance(1)
    await run(task, "kill", "-USR1", pid)
    await engine.clock.advance(1000)
    await process.wait()
    assert (await content(process.stdout)).decode() == f"{pid}\ntrapped\n138\n0\n"


@pytest.mark.asyncio
async def test_a_pipe_without_a_reader_ends_its_writer(task: Task) -> None:
    done = await run(task, "sh", "-c", "(trap '' TERM; yes; echo never) | head -n 1; echo end")
    assert done.stdout == b"y\nend\n"


@pytest.mark.asyncio
async def test_more_processes_than_allowed_cannot_be_made(engine: FakeEngine) -> None:
    task = await engine.create(TaskSpec(limits=Limits(processes=3)))
    done = await run(task, "sh", "-c", "sleep 9 & sleep 9 & sleep 9 & echo never")
    assert (done.status.code, done.stdout) == (2, b"")
    assert b"Cannot fork" in done.stderr


@pytest.mark.asyncio
async def test_a_pipeline_that_cannot_be_made_whole_leaves_nothing_running(
    engine: FakeEngine,
) -> None:
    task = await engine.create(TaskSpec(limits=Limits(processes=3)))
    done = await run(task, "sh", "-c", "yes | cat | cat | cat; echo never")
    assert (done.status.code, done.stdout) == (2, b"")
    await task.kernel.drain()
    await run(task, "true")
    assert task.kernel.processes == {}


@pytest.mark.asyncio
@pytest.mark.parametrize("script", ["sort /dev/zero", "x=$(cat /dev/zero)", "tail -n 1 /dev/zero"])
async def test_what_keeps_too_much_is_killed(engine: FakeEngine, script: str) -> None:
    task = await engine.create(TaskSpec(limits=Limits(memory=4 * 2**20)))
    done = await run(task, "sh", "-c", script)
    assert done.status.returncode == 137
    assert task.kernel.usage.held == 0
