"""Commands on a real engine."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from pytest_sandbox.client import DEVNULL, PIPE, STDOUT, Client, Sandbox, exceptions

Call = Callable[..., Any]
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def sandbox(client: Any) -> Any:
    """One for all tests here: none of them leaves anything behind that another minds."""
    sandbox = Sandbox.create(client=client)
    yield sandbox
    sandbox.terminate()


def test_a_command_gives_output_and_code(sandbox: Sandbox, call: Call) -> None:
    process = call(sandbox.exec, "sh", "-c", "echo out; echo err >&2; exit 3")

    assert call(process.stdout.read) == "out\n"
    assert call(process.stderr.read) == "err\n"
    assert call(process.wait) == process.returncode == 3


def test_bytes_are_given_as_bytes(sandbox: Sandbox, call: Call) -> None:
    process = call(sandbox.exec, "printf", "\\377", text=False)

    assert call(process.stdout.read) == b"\xff"


def test_what_is_not_utf8_is_an_error_as_text(sandbox: Sandbox, call: Call) -> None:
    process = sandbox.exec("printf", "ok\\377")

    with pytest.raises(UnicodeDecodeError):
        call(process.stdout.read)


def test_lines_are_given_as_they_come(sandbox: Sandbox) -> None:
    process = sandbox.exec("cat", bufsize=1)
    process.stdin.write("one\ntw")
    process.stdin.drain()
    assert next(process.stdout) == "one\n"
    process.stdin.write("o\nthree")
    process.stdin.write_eof()
    process.stdin.drain()

    assert list(process.stdout) == ["two\n", "three"]
    assert list(process.stdout) == []
    assert process.stdout.read() == ""


def test_chunks_are_given_as_they_come(sandbox: Sandbox) -> None:
    process = sandbox.exec("cat", text=False)
    for word in (b"one", b"two"):
        process.stdin.write(word)
        process.stdin.drain()
        assert next(process.stdout) == word
    process.stdin.write_eof()
    process.stdin.drain()

    assert process.wait() == 0


def test_iteration_and_reading_share_one_position(sandbox: Sandbox) -> None:
    process = sandbox.exec("printf", "one\\ntwo\\nthree\\n", bufsize=1)

    assert next(process.stdout) == "one\n"
    assert process.stdout.read() == "two\nthree\n"


def test_poll_tells_when_it_has_ended(sandbox: Sandbox, call: Call) -> None:
    process = call(sandbox.exec, "cat")
    assert call(process.poll) is None

    process.stdin.write_eof()
    call(process.stdin.drain)
    process.wait()

    assert call(process.poll) == 0


def test_a_signal_is_told_as_shells_do(sandbox: Sandbox) -> None:
    assert sandbox.exec("sh", "-c", "kill -TERM $$").wait() == 143


@pytest.mark.parametrize("where", [DEVNULL, subprocess.DEVNULL])
def test_devnull_is_nowhere(sandbox: Sandbox, where: Any) -> None:
    process = sandbox.exec("sh", "-c", "echo out; echo err >&2", stdout=where, stderr=where)

    assert process.wait() == 0
    for stream in (process.stdout, process.stderr):
        with pytest.raises(ValueError, match="DEVNULL"):
            stream.read()
        with pytest.raises(ValueError, match="DEVNULL"):
            next(stream)


def test_standard_error_can_be_in_standard_output(sandbox: Sandbox) -> None:
    process = sandbox.exec("sh", "-c", "echo out; echo err >&2", stdout=PIPE, stderr=STDOUT)

    assert process.stdout.read() == "out\nerr\n"


def test_standard_output_can_be_printed_here(
    sandbox: Sandbox, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    process = call(sandbox.exec, "sh", "-c", "echo out; echo err >&2", stdout=STDOUT)
    call(process.wait)

    assert capsys.readouterr().out == "out\n"
    with pytest.raises(exceptions.InvalidError, match="PIPE"):
        process.stdout.read()


def test_time_that_is_up_gives_minus_one(sandbox: Sandbox, call: Call) -> None:
    process = call(sandbox.exec, "sh", "-c", "echo out; exec sleep 60", timeout=1)

    assert call(process.wait) == -1
    assert call(process.poll) == -1
    assert process.stdout.read() == "out\n"


def test_a_terminal_is_a_terminal(sandbox: Sandbox) -> None:
    process = sandbox.exec("sh", "-c", "tty; echo err >&2", pty=True)

    lines = process.stdout.read().splitlines()
    assert lines[0].startswith("/dev/")
    assert lines[1] == "err"


def test_environment_and_directory_are_of_this_command_only(sandbox: Sandbox) -> None:
    script = ("sh", "-c", "echo ${A-unset} $(pwd)")

    assert sandbox.exec(*script, env={"A": "1", "B": None}, workdir="/tmp").stdout.read() == (
        "1 /tmp\n"
    )
    assert sandbox.exec(*script).stdout.read().startswith("unset /")


def test_a_working_directory_that_is_not_there_is_an_error(sandbox: Sandbox) -> None:
    with pytest.raises(exceptions.InvalidError, match="/not/there"):
        sandbox.exec("true", workdir="/not/there")


def test_a_command_line_in_one_piece_is_taken_apart_in_the_message(
    sandbox: Sandbox, client: Client
) -> None:
    with pytest.raises(
        exceptions.InvalidError, match="argument of its own: 'ls', '-la', '/'"
    ) as caught:
        sandbox.exec("ls -la /")
    assert "'sh', '-c', 'ls -la /'" in str(caught.value)

    with pytest.raises(exceptions.InvalidError, match="argument of its own: 'sleep', '9'"):
        Sandbox.create("sleep 9", client=client)


@pytest.mark.parametrize("command", ["no-such-command", "/no/such/command", "/tmp", "/etc/hosts"])
def test_a_command_that_cannot_be_started_is_an_error(
    sandbox: Sandbox, call: Call, command: str
) -> None:
    with pytest.raises(exceptions.InvalidError, match=command):
        call(sandbox.exec, command)
    with pytest.raises(exceptions.InvalidError, match=command):
        call(sandbox.run, command)


def test_input_after_the_end_is_an_error(sandbox: Sandbox, call: Call) -> None:
    process = sandbox.exec("true")
    process.wait()
    process.stdin.write("word")

    with pytest.raises(exceptions.StdinClosedError, match="ended"):
        call(process.stdin.drain)


def test_writing_after_the_end_of_input_is_an_error(sandbox: Sandbox) -> None:
    process = sandbox.exec("cat")
    process.stdin.write_eof()
    process.stdin.drain()

    with pytest.raises(ValueError, match="write_eof"):
        process.stdin.write("word")


def test_what_is_written_is_text_or_bytes_and_not_too_much(sandbox: Sandbox) -> None:
    stdin = sandbox.exec("cat").stdin
    for data in ("a", b"b", bytearray(b"c"), memoryview(b"d")):
        stdin.write(data)
    with pytest.raises(TypeError, match="int"):
        stdin.write(3)  # type: ignore[arg-type]
    with pytest.raises(BufferError, match="drain"):
        stdin.write(b"x" * 2 * MIB)
    stdin.write_eof()
    stdin.drain()


def test_attaching_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(exceptions.UnimplementedError, match="attach"):
        sandbox.exec("true").attach()


# The control plane instead of the router


@pytest.fixture
def unrouted(sandbox: Sandbox, client: Client) -> Sandbox:
    """The same sandbox, as if its commands could not go through the command router."""
    other = Sandbox(sandbox.object_id, client)
    other._task._routed = False
    return other


def test_through_the_control_plane(unrouted: Sandbox, call: Call) -> None:
    process = call(unrouted.exec, "sh", "-c", "cat; echo err >&2; exit 3", workdir="/tmp")
    assert call(process.poll) is None
    process.stdin.write("given")
    process.stdin.write_eof()
    call(process.stdin.drain)

    assert call(process.stdout.read) == "given"
    assert call(process.stderr.read) == "err\n"
    assert call(process.wait) == 3


def test_much_through_the_control_plane(unrouted: Sandbox) -> None:
    given = bytes(range(256)) * 4 * 1024 * 3

    result = unrouted.run("cat", input=given, text=False, env={"A": "1"})

    assert result.stdout == given


def test_streams_through_the_control_plane(unrouted: Sandbox) -> None:
    script = ("sh", "-c", "echo out; echo err >&2")

    assert unrouted.exec(*script, stderr=STDOUT).stdout.read() == "out\nerr\n"
    assert unrouted.exec(*script, stdout=DEVNULL).stderr.read() == "err\n"


def test_time_that_is_up_through_the_control_plane(unrouted: Sandbox) -> None:
    assert unrouted.exec("sleep", "60", timeout=1).wait() == -1


def test_files_through_the_control_plane(unrouted: Sandbox) -> None:
    unrouted.filesystem.write_text("text", "/srv/unrouted")

    assert unrouted.filesystem.read_text("/srv/unrouted") == "text"
    with pytest.raises(exceptions.SandboxFilesystemNotFoundError):
        unrouted.filesystem.read_text("/srv/none")


# run


def test_run_gives_all_of_it(sandbox: Sandbox, call: Call) -> None:
    result = call(sandbox.run, "sh", "-c", "cat; echo err >&2; exit 3", input="given")

    assert result.args == ("sh", "-c", "cat; echo err >&2; exit 3")
    assert (result.returncode, result.stdout, result.stderr) == (3, "given", "err\n")


def test_run_without_input_gives_none(sandbox: Sandbox) -> None:
    assert sandbox.run("cat").stdout == ""


def test_run_checks_the_code(sandbox: Sandbox, call: Call) -> None:
    with pytest.raises(exceptions.CommandFailedError) as failed:
        call(sandbox.run, "sh", "-c", "echo out; echo why >&2; exit 3", check=True)

    error = failed.value
    assert (error.returncode, error.stdout, error.stderr) == (3, "out\n", "why\n")
    assert "ended with exit code 3" in str(error)
    assert "stderr: why" in str(error)
    assert "sh -c 'echo out; echo why >&2; exit 3'" in str(error)


def test_a_failure_shows_the_end_of_long_output(sandbox: Sandbox) -> None:
    with pytest.raises(exceptions.CommandFailedError) as failed:
        sandbox.run("sh", "-c", "seq 100000; exit 1", check=True)

    assert "99999\n100000" in str(failed.value)
    assert len(str(failed.value)) < 3000


def test_run_kills_what_takes_too_long(sandbox: Sandbox, call: Call) -> None:
    with pytest.raises(exceptions.CommandTimeoutError) as late:
        call(sandbox.run, "sh", "-c", "echo so far; exec sleep 60", timeout=1)

    assert late.value.stdout == "so far\n"
    assert "was killed after 1 s" in str(late.value)
    assert isinstance(late.value, exceptions.ExecTimeoutError)


def test_run_as_bytes(sandbox: Sandbox) -> None:
    assert sandbox.run("cat", input=b"\xff", text=False).stdout == b"\xff"


def test_much_of_everything_at_once(sandbox: Sandbox, call: Call) -> None:
    """More than any pipe or window holds, both ways, on both streams."""
    given = bytes(range(256)) * 4 * 1024 * 10  # 10 MiB

    result = call(sandbox.run, "sh", "-c", "tee /dev/stderr", input=given, text=False)

    assert result.stdout == given
    assert result.stderr == given


def test_input_that_is_not_read_is_no_error(sandbox: Sandbox) -> None:
    result = sandbox.run("sh", "-c", "exec true", input="x" * 3 * MIB, check=True)

    assert result.stdout == ""


def test_cancelling_run_lets_go(sandbox: Sandbox) -> None:
    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(sandbox.run.aio("sleep", "60"), 0.2)

    asyncio.run(main())

    assert sandbox.run("echo", "hi").stdout == "hi\n"


def test_output_that_is_not_read_does_not_stop_other_calls(sandbox: Sandbox) -> None:
    """Each of these readers has taken one chunk of an endless output."""
    processes = [sandbox.exec("cat", "/dev/zero", text=False) for _ in range(8)]
    for process in processes:
        next(process.stdout)

    assert sandbox.run("echo", "hi").stdout == "hi\n"

    for process in processes:
        process.stdout.aclose()


def test_a_repr_shows_the_command_and_the_end_that_is_known(sandbox: Sandbox, call: Call) -> None:
    process = sandbox.exec("sh", "-c", "kill -9 $$")
    before = repr(process)
    call(process.wait)

    assert before == "ContainerProcess(sh -c 'kill -9 $$', not waited for)"
    assert repr(process) == "ContainerProcess(sh -c 'kill -9 $$', exit code 137 (SIGKILL))"


def test_the_repr_of_a_long_command_is_one_short_line(sandbox: Sandbox) -> None:
    shown = repr(sandbox.exec("true", "first\nsecond", "x" * 1000))

    assert "'first\\nsecond' xxx" in shown
    assert len(shown) < 130


def test_the_repr_of_a_sandbox_shows_its_command_and_how_it_ended(
    client: Client, call: Call
) -> None:
    sandbox = Sandbox.create("sh", "-c", "exit 3", client=client)
    before = repr(sandbox)
    call(sandbox.wait)

    assert before == f"Sandbox('{sandbox.object_id}', sh -c 'exit 3')"
    assert repr(sandbox) == f"Sandbox('{sandbox.object_id}', sh -c 'exit 3', exit code 3)"
