"""Commands in a running sandbox."""

import asyncio
import subprocess
import sys

import modal
import pytest
from modal.exception import InvalidError, NotFoundError
from modal.stream_type import StreamType


def test_output_and_exit_code(sandbox):
    process = sandbox.exec("sh", "-c", "echo out; echo err >&2; exit 7")

    assert process.wait() == 7
    assert process.returncode == 7
    assert process.stdout.read() == "out\n"
    assert process.stderr.read() == "err\n"


def test_poll_tells_running_from_ended(sandbox):
    process = sandbox.exec("cat")
    assert process.poll() is None

    process.stdin.write_eof()
    process.stdin.drain()
    process.wait()

    assert process.poll() == 0


def test_a_return_code_is_not_guessed(sandbox):
    with pytest.raises(InvalidError, match="wait"):
        _ = sandbox.exec("cat").returncode


def test_a_signal_is_told_as_a_shell_does(sandbox):
    assert sandbox.exec("sh", "-c", "kill -9 $$").wait() == 137


def test_stdin_reaches_the_command(sandbox):
    process = sandbox.exec("cat")
    process.stdin.write("one\n")
    process.stdin.drain()
    process.stdin.write(b"two\n")
    process.stdin.write_eof()
    process.stdin.drain()

    assert process.stdout.read() == "one\ntwo\n"
    assert process.wait() == 0


def test_a_megabyte_goes_in_and_comes_out(sandbox):
    data = bytes(range(256)) * 4096
    process = sandbox.exec("cat", text=False)
    process.stdin.write(data)
    process.stdin.write_eof()
    process.stdin.drain()

    assert process.stdout.read() == data


def test_bytes_are_left_as_they_are(sandbox):
    process = sandbox.exec("printf", r"\377\000\n", text=False)

    assert process.stdout.read() == b"\xff\x00\n"


def test_output_comes_by_line(sandbox):
    process = sandbox.exec("printf", r"one\ntwo", bufsize=1)

    assert list(process.stdout) == ["one\n", "two"]


def test_output_nobody_wants_is_let_go(sandbox):
    process = sandbox.exec("echo", "hi", stdout=StreamType.DEVNULL, stderr=StreamType.DEVNULL)

    assert process.wait() == 0


def test_environment_secrets_and_folder(create):
    sandbox = create(env={"KEPT": "a", "REPLACED": "b"})
    process = sandbox.exec(
        "sh",
        "-c",
        "echo $KEPT $REPLACED $HIDDEN; pwd",
        env={"REPLACED": "c"},
        secrets=[modal.Secret.from_dict({"HIDDEN": "d"})],
        workdir="/tmp",
    )

    assert process.stdout.read() == "a c d\n/tmp\n"


def test_a_command_starts_in_the_home_of_root(sandbox):
    assert sandbox.exec("pwd").stdout.read() == "/root\n"


CLIENT = """
import modal, sys
process = modal.Sandbox.from_id(sys.argv[1]).exec("sh", "-c", "echo up; exec sleep 1000")
print(next(iter(process.stdout)), end="", flush=True)
process.wait()
"""


def test_a_command_goes_on_when_its_client_dies(sandbox):
    command = [sys.executable, "-c", CLIENT, sandbox.object_id]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout.readline() == "up\n"
        client.kill()
    assert (
        sandbox.exec("sh", "-c", "sleep 1; cat /proc/[0-9]*/cmdline")
        .stdout.read()
        .count("sleep\0001000")
    )


def test_a_relative_folder_is_refused(sandbox):
    with pytest.raises(InvalidError, match="absolute"):
        sandbox.exec("true", workdir="tmp")


def test_a_timeout_ends_a_command(sandbox):
    process = sandbox.exec("sh", "-c", "echo $$ > /tmp/pid; exec sleep 60", timeout=1)

    assert process.wait() in (-1, 137)  # by the client's clock, or by the server's
    gone = sandbox.exec("sh", "-c", "while kill -0 $(cat /tmp/pid); do :; done", timeout=20)
    assert gone.wait() == 0


def test_a_command_leaves_others_alone(sandbox):
    sandbox.exec("sh", "-c", "echo kept > /tmp/file").wait()

    assert sandbox.exec("cat", "/tmp/file").stdout.read() == "kept\n"


def test_a_daemon_does_not_hold_up_the_end(sandbox):
    process = sandbox.exec("sh", "-c", "sleep 60 & echo started")

    assert process.wait() == 0
    assert process.stdout.read() == "started\n"


def test_many_commands_at_once(sandbox):
    async def all_of_them():
        processes = [await sandbox.exec.aio("echo", str(number)) for number in range(10)]
        return await asyncio.gather(*(process.stdout.read.aio() for process in processes))

    assert asyncio.run(all_of_them()) == [f"{number}\n" for number in range(10)]


def test_a_terminal(sandbox):
    process = sandbox.exec("sh", "-c", "test -t 0 && test -t 1 && echo terminal", pty=True)

    assert process.stdout.read().strip() == "terminal"


def test_a_missing_command_is_named(sandbox):
    with pytest.raises(Exception, match="no-such-command"):
        sandbox.exec("no-such-command")


def test_a_missing_folder_is_named(sandbox):
    with pytest.raises(Exception, match="/no/such/folder"):
        sandbox.exec("true", workdir="/no/such/folder")


def test_no_command_after_the_end(create):
    sandbox = create("true")
    sandbox.wait()

    with pytest.raises(NotFoundError):
        sandbox.exec("true")
