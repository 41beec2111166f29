"""Whatever a caller gets wrong ends in an exception that says so, and leaves nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from pytest_sandbox import Client, Sandbox, exceptions

pytestmark = pytest.mark.usefixtures("nothing_is_left")

Start = Callable[..., Any]


@pytest.fixture(params=["create", "exec", "run"])
def start(request: pytest.FixtureRequest, client: Client, sandbox: Sandbox) -> Start:
    """Each way to start a command."""
    if request.param == "create":
        return lambda *args, **options: Sandbox.create(*args, client=client, **options)
    method: Start = getattr(sandbox, request.param)
    return method


def test_arguments_of_64_kib_are_passed(sandbox: Sandbox) -> None:
    argument = "x" * (2**16 - len("printf%s"))
    assert sandbox.run("printf", "%s", argument).stdout == argument


def test_longer_arguments_are_refused(start: Start) -> None:
    with pytest.raises(exceptions.InvalidError, match="65537 bytes"):
        start("echo", "x" * (2**16 + 1 - len("echo")))


def test_the_length_of_arguments_is_that_of_their_bytes(start: Start) -> None:
    with pytest.raises(exceptions.InvalidError, match="90004 bytes"):
        start("echo", "日" * 30000)


@pytest.mark.parametrize("argument", [1, 1.5, None, b"bytes", ["list"], True])
def test_arguments_that_are_no_text_are_refused_by_value(start: Start, argument: object) -> None:
    with pytest.raises(exceptions.InvalidError) as caught:
        start("echo", argument)

    assert repr(argument) in str(caught.value)


def test_a_nul_character_is_refused(start: Start) -> None:
    with pytest.raises(exceptions.InvalidError, match="NUL"):
        start("echo", "a\0b")


@pytest.mark.parametrize("workdir", ["relative", "./here", "", "~"])
def test_a_relative_workdir_is_refused_by_value(start: Start, workdir: str) -> None:
    with pytest.raises(exceptions.InvalidError, match="absolute") as caught:
        start("true", workdir=workdir)

    assert repr(workdir) in str(caught.value)


@pytest.mark.parametrize(
    "env", [{"A=B": "c"}, {"": "c"}, {"A\0": "c"}, {"A": "\0"}, {"A": 1}, "A=b"]
)
def test_an_environment_that_cannot_be_is_refused(start: Start, env: Any) -> None:
    with pytest.raises(exceptions.InvalidError):
        start("true", env=env)


@pytest.mark.parametrize("command", ["no-such-command", "/no/such/command", "./no-such-command"])
def test_a_missing_command_is_named(start: Start, command: str) -> None:
    with pytest.raises(exceptions.InvalidError, match=command):
        start(command)


def test_a_command_that_is_a_directory_is_named(start: Start) -> None:
    with pytest.raises(exceptions.InvalidError, match=r"/usr/bin.*directory"):
        start("/usr/bin")


def test_a_command_that_is_not_executable_is_named(start: Start) -> None:
    with pytest.raises(exceptions.InvalidError, match=r"/etc/passwd.*not executable"):
        start("/etc/passwd")


def test_a_workdir_that_does_not_exist_is_named(sandbox: Sandbox) -> None:
    for method in (sandbox.exec, sandbox.run):
        with pytest.raises(exceptions.InvalidError, match="/no/such/folder"):
            method("true", workdir="/no/such/folder")


@pytest.mark.parametrize("name", ["", "with space", "with/slash", "x" * 65, "é", "ap-" + "a" * 22])
def test_a_bad_name_is_refused(client: Client, name: str) -> None:
    with pytest.raises(exceptions.InvalidError):
        Sandbox.create(name=name, client=client)


def test_a_name_in_use_is_refused_and_free_again_after_the_end(client: Client) -> None:
    first = Sandbox.create(name="only-one", client=client)
    with pytest.raises(exceptions.AlreadyExistsError, match="only-one"):
        Sandbox.create(name="only-one", client=client)
    first.terminate()
    first.wait(raise_on_termination=False)

    second = Sandbox.create(name="only-one", client=client)

    assert (
        Sandbox.from_name("pytest-sandbox", "only-one", client=client).object_id == second.object_id
    )
    second.terminate()


def test_unknown_names_and_ids_are_not_found(client: Client) -> None:
    with pytest.raises(exceptions.NotFoundError, match="sb-0123456789abcdefABCDEF"):
        Sandbox.from_id("sb-0123456789abcdefABCDEF", client=client)
    with pytest.raises(exceptions.NotFoundError):
        Sandbox.from_id("nonsense", client=client)
    with pytest.raises(exceptions.NotFoundError, match="nobody"):
        Sandbox.from_name("pytest-sandbox", "nobody", client=client)
    with pytest.raises(exceptions.NotFoundError):
        list(Sandbox.list(app_id="ap-0123456789abcdefABCDEF", client=client))


def test_after_the_end_everything_says_that_it_is_over(client: Client) -> None:
    sandbox = Sandbox.create(client=client)
    sandbox.terminate()
    with pytest.raises(exceptions.SandboxTerminatedError):
        sandbox.wait()

    for call in (
        lambda: sandbox.exec("true"),
        lambda: sandbox.run("true"),
        lambda: sandbox.open("/tmp/f", "w"),
        lambda: sandbox.ls("/"),
        lambda: sandbox.mkdir("/tmp/d"),
        lambda: sandbox.rm("/tmp/d"),
        lambda: sandbox.filesystem.read_text("/etc/hostname"),
        lambda: list(sandbox.filesystem.watch("/tmp", timeout=5)),
    ):
        with pytest.raises((exceptions.NotFoundError, exceptions.ConflictError)):
            call()
    sandbox.terminate()
    assert sandbox.poll() == 137


def test_input_after_its_end_is_refused(sandbox: Sandbox) -> None:
    process = sandbox.exec("cat")
    process.stdin.write(b"last")
    process.stdin.write_eof()
    process.stdin.drain()

    with pytest.raises(ValueError, match="closed"):
        process.stdin.write(b"more")

    assert process.stdout.read() == "last"


def test_input_after_the_exit_is_refused(sandbox: Sandbox) -> None:
    process = sandbox.exec("true")
    process.wait()
    process.stdin.write(b"x")

    with pytest.raises(exceptions.StdinClosedError):
        process.stdin.drain()


def test_input_that_the_program_does_not_want_is_refused(sandbox: Sandbox) -> None:
    process = sandbox.exec("sh", "-c", "exec <&-; echo closed; sleep 1000")
    assert next(iter(process.stdout)) == "closed\n"
    process.stdin.write(b"x")

    with pytest.raises(exceptions.StdinClosedError):
        process.stdin.drain()


def test_output_that_is_no_text_is_an_error_only_when_text_is_asked_for(sandbox: Sandbox) -> None:
    command = ("printf", r"fine \377\376")
    with pytest.raises(UnicodeDecodeError):
        sandbox.run(*command)
    with pytest.raises(UnicodeDecodeError):
        sandbox.exec(*command).stdout.read()

    assert sandbox.run(*command, text=False).stdout == b"fine \xff\xfe"
    assert sandbox.exec(*command, text=False).stdout.read() == b"fine \xff\xfe"


def test_a_character_cut_at_the_end_is_an_error_too(sandbox: Sandbox) -> None:
    with pytest.raises(UnicodeDecodeError):
        sandbox.exec("printf", r"\342\202").stdout.read()


def test_a_directory_is_no_file(sandbox: Sandbox) -> None:
    for mode in ("r", "rb", "w", "a", "r+", "x"):
        with pytest.raises((IsADirectoryError, FileExistsError), match="/tmp"):
            sandbox.open("/tmp", mode)
    with pytest.raises(exceptions.SandboxFilesystemIsADirectoryError, match="/tmp"):
        sandbox.filesystem.read_bytes("/tmp")
    with pytest.raises(exceptions.SandboxFilesystemIsADirectoryError, match="/tmp"):
        sandbox.filesystem.write_text("x", "/tmp")


def test_a_file_of_the_kernel_is_not_replaced_and_exists(sandbox: Sandbox) -> None:
    with pytest.raises(PermissionError, match="takes no new files") as caught:
        sandbox.filesystem.write_text("x", "/proc/sys/kernel/hostname")

    assert caught.value.filename == "/proc/sys/kernel/hostname"


@pytest.mark.parametrize("path", ["/", "//", "/srv/.."])
def test_the_root_is_not_removed(sandbox: Sandbox, path: str) -> None:
    sandbox.filesystem.write_text("x", "/srv/file")

    with pytest.raises(OSError, match="busy"):
        sandbox.filesystem.remove(path, recursive=True)

    assert sandbox.filesystem.read_text("/srv/file") == "x"


def test_a_file_is_no_directory(sandbox: Sandbox) -> None:
    sandbox.filesystem.write_text("x", "/tmp/file")
    for call in (
        lambda: sandbox.ls("/tmp/file"),
        lambda: sandbox.mkdir("/tmp/file/below"),
        lambda: sandbox.open("/tmp/file/below", "w"),
        lambda: sandbox.filesystem.list_files("/tmp/file"),
        lambda: sandbox.filesystem.write_text("x", "/tmp/file/below"),
        lambda: sandbox.filesystem.stat("/tmp/file/below"),
    ):
        with pytest.raises(NotADirectoryError, match="/tmp/file"):
            call()
    with pytest.raises(FileExistsError, match="/tmp/file"):
        sandbox.mkdir("/tmp/file")


def test_a_refusal_leaves_the_sandbox_as_it_was(sandbox: Sandbox) -> None:
    for _ in range(50):
        with pytest.raises(exceptions.InvalidError):
            sandbox.exec("missing")
    assert sandbox.run("echo", "fine").stdout == "fine\n"
