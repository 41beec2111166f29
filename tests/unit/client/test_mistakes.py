"""What people do by mistake is answered with what to do instead, on both engines."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox.client import Sandbox, Secret, exceptions
from pytest_sandbox.inmemory import FakeSandboxes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_sandbox.client import Client

BINARY = b"\x89PNG\r\n\xff\x00"
Invalid = exceptions.InvalidError


@pytest.fixture(params=["local", "fake"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    if request.param == "local":
        client: Client = request.getfixturevalue("client")
        sandbox = Sandbox.create(client=client)
        yield sandbox
        sandbox.terminate()
    else:
        fake = FakeSandboxes(allow=["unscripted-commands"])
        yield Sandbox.create(client=fake.client)
        fake.close()


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        (("cd", "/tmp"), r"'bash', '-c', 'cd /tmp'; .* use workdir="),
        (("export", "A=1"), r"part of a shell.* use env="),
        (
            ("source", "/srv/env"),
            r"part of a shell.*'bash', '-c', 'source /srv/env'; it would only",
        ),
        (("alias", "x=y"), r"part of a shell, not a program: 'bash', '-c', 'alias x=y'$"),
        (("~/bin/tool", "x"), r"No shell expands '~/bin/tool'"),
        (("$HOME/tool",), r"No shell expands"),
        (("ls -l",), r"argument of its own: 'ls', '-l'"),
    ],
)
def test_what_only_a_shell_understands(
    sandbox: Sandbox, command: tuple[str, ...], hint: str
) -> None:
    for start in (sandbox.exec, sandbox.run):
        with pytest.raises(Invalid, match=hint):
            start(*command)


def test_a_script_that_is_not_executable(client: Client) -> None:
    sandbox = Sandbox.create(client=client)
    sandbox.filesystem.write_text("#!/bin/sh\n", "/srv/script")
    with pytest.raises(Invalid, match=r"must be executable \(chmod \+x\)"):
        sandbox.exec("/srv/script")
    sandbox.terminate()


@pytest.mark.parametrize(
    ("argument", "use"), [(5, "'5'"), (Path("/tmp/x"), "'/tmp/x'"), (0.5, "'0.5'")]
)
def test_an_argument_or_variable_that_is_no_text(sandbox: Sandbox, argument: Any, use: str) -> None:
    with pytest.raises(Invalid, match=f"not a str; use {use}"):
        sandbox.exec("echo", argument)
    with pytest.raises(Invalid, match=f"both must be str; use {use}"):
        sandbox.exec("echo", env={"A": argument})


def test_a_path_object(sandbox: Sandbox) -> None:
    path: Any = Path("/tmp/x")
    for call in (sandbox.filesystem.read_text, sandbox.ls, sandbox.mkdir, sandbox.open):
        with pytest.raises(Invalid, match="is not a str; use '/tmp/x'"):
            call(path)


def test_data_and_path_that_are_swapped(sandbox: Sandbox) -> None:
    files: Any = sandbox.filesystem
    with pytest.raises(Invalid, match=r"'hello' is not an absolute path, but the data, '/tmp/x'"):
        files.write_text("/tmp/x", "hello")
    with pytest.raises(Invalid, match=r"first comes what to write, then the path"):
        files.write_bytes("/tmp/x", b"hello")
    with pytest.raises(Invalid, match=r"first comes what to write, then the path"):
        files.write_text("/tmp/x", b"hello")


def test_paths_here_and_there_that_are_swapped(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"upload\(local, remote\)"):
        sandbox.upload("/srv", "src")
    with pytest.raises(Invalid, match=r"download\(remote, local\)"):
        sandbox.download("out", "/srv")
    with pytest.raises(Invalid, match=r"copy_from_local\(local_path, remote_path\)"):
        sandbox.filesystem.copy_from_local("/srv/x", "x")
    with pytest.raises(Invalid, match=r"copy_to_local\(remote_path, local_path\)"):
        sandbox.filesystem.copy_to_local("x", "/srv/x")


def test_text_that_looks_like_a_path_is_written(sandbox: Sandbox) -> None:
    sandbox.filesystem.write_text("/usr/bin/python3", "/tmp/link")

    assert sandbox.filesystem.read_text("/tmp/link") == "/usr/bin/python3"


def test_bytes_that_are_read_as_text(sandbox: Sandbox) -> None:
    sandbox.filesystem.write_bytes(BINARY, "/tmp/picture")

    with pytest.raises(UnicodeDecodeError, match=r"use read_bytes\(\)") as caught:
        sandbox.filesystem.read_text("/tmp/picture")
    assert caught.value.object == BINARY
    with pytest.raises(UnicodeDecodeError, match=r"use run\(\.\.\., text=False\)"):
        sandbox.run("cat", "/tmp/picture")
    with pytest.raises(UnicodeDecodeError, match=r"use exec\(\.\.\., text=False\)"):
        sandbox.exec("cat", "/tmp/picture").stdout.read()
    with (
        sandbox.open("/tmp/picture") as file,
        pytest.raises(UnicodeDecodeError, match=r"use open\(path, 'rb'\)"),
    ):
        file.read()


def test_a_file_where_a_directory_is_copied(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    sandbox.filesystem.write_text("x", "/tmp/file")

    with pytest.raises(NotADirectoryError, match=r"copy_from_local.*/file'"):
        sandbox.upload(tmp_path / "file", "/tmp/there")
    with pytest.raises(NotADirectoryError, match=r"copy_to_local.*/tmp/file'"):
        sandbox.download("/tmp/file", tmp_path / "there")


def test_a_port_that_was_not_declared(sandbox: Sandbox) -> None:
    with pytest.raises(KeyError, match=r"8000 was not declared: .*unencrypted_ports=\[8000\]"):
        sandbox.tunnels()[8000]
    assert sandbox.tunnels().get(8000) is None


def test_a_stream_that_was_not_read(sandbox: Sandbox) -> None:
    process = sandbox.exec("echo", "hi")

    assert repr(process.stdout) == "<stdout of echo hi; read() gives its text>"
    assert process.wait() == 0


@pytest.mark.parametrize("engine", ["local", "fake"])
@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"timeout": 1}, "it reached its timeout of 1 s"),
        ({"idle_timeout": 1}, "it was idle for 1 s, its idle_timeout"),
    ],
)
def test_a_sandbox_whose_time_was_up(
    request: pytest.FixtureRequest, engine: str, spec: dict[str, Any], why: str
) -> None:
    """As after some minutes in a debugger."""
    fake = FakeSandboxes()
    client = fake.client if engine == "fake" else request.getfixturevalue("client")
    sandbox = Sandbox.create(client=client, **spec)
    with contextlib.suppress(exceptions.SandboxTimeoutError):
        sandbox.wait()

    for call in (lambda: sandbox.exec("true"), lambda: sandbox.filesystem.stat("/")):
        with pytest.raises(exceptions.NotFoundError, match=why):
            call()
    with pytest.raises(exceptions.NotFoundError, match=why):
        sandbox.ls("/")
    with pytest.raises(exceptions.ConflictError, match=why):
        sandbox.tunnels()
    fake.close()


def test_a_sandbox_that_has_ended_otherwise(sandbox: Sandbox) -> None:
    sandbox.terminate()

    with pytest.raises(exceptions.NotFoundError, match="has ended: it was terminated"):
        sandbox.exec("true")


def test_a_sandbox_whose_main_process_has_ended(client: Client) -> None:
    sandbox = Sandbox.create("sh", "-c", "exit 3", client=client)
    sandbox.wait()

    with pytest.raises(exceptions.NotFoundError, match="its main process exited with code 3"):
        sandbox.exec("true")


def test_a_failure_shows_the_last_lines() -> None:
    output = "".join(f"line {number}\n" for number in range(100))
    error = exceptions.CommandFailedError(("make",), 2, output, "one\ntwo\n")

    lines = str(error).splitlines()
    assert lines[0] == "make ended with exit code 2"
    assert lines[1] == "stdout: … line 75"
    assert lines[25:] == ["line 99", "stderr: one", "two"]


def test_input_that_is_no_text(sandbox: Sandbox) -> None:
    run: Any = sandbox.run
    with pytest.raises(Invalid, match="input is 5, an int, not a str or bytes"):
        run("cat", input=5)
    assert run("cat", input=bytearray(b"hi")).stdout == "hi"


@pytest.mark.parametrize(
    "secrets", [{"A": "hunter2"}, ["hunter2"], Secret.from_dict({}), "hunter2"]
)
def test_secrets_that_are_none(sandbox: Sandbox, secrets: Any) -> None:
    for call in (sandbox.exec, sandbox.run, Sandbox.create):
        with pytest.raises(Invalid, match=r"not a list of Secrets.*Secret\.from_dict") as caught:
            call("true", secrets=secrets)
        assert "hunter2" not in str(caught.value)


def test_variables_that_are_no_dict(sandbox: Sandbox) -> None:
    env: Any = "A=1"
    with pytest.raises(Invalid, match=r"^env is 'A=1', a str, not a dict"):
        sandbox.exec("true", env=env)
