"""A run whose engine is on another machine: here, in another process of this one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox.plugin import LeasedGpus
from tests.support.far_machine import far_machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_sandbox._shared.network.engine_address import RemoteAddress

TIMEOUT = 30.0


@contextmanager
def serving(*options: str) -> Iterator[tuple[RemoteAddress, int]]:
    """A machine that keeps what a run made for a second: its address, and its process."""
    with far_machine(*options) as (address, pid):
        yield replace(address, lease=1), pid


@pytest.fixture(scope="module")
def far() -> Iterator[RemoteAddress]:
    with serving() as (address, _):
        yield address


@pytest.fixture
def remote(far: RemoteAddress, monkeypatch: pytest.MonkeyPatch) -> RemoteAddress:
    monkeypatch.setenv("PYTEST_SANDBOX_ENGINE", far.whole)
    return far


TESTS = """
import os
import socket
import subprocess
from pathlib import Path

import pytest

from pytest_sandbox import sandbox_template


@sandbox_template()
def prepared(sandbox):
    sandbox.run("mkdir", "/srv/made")


def test_commands_and_files(sandbox, tmp_path):
    sandbox.filesystem.write_text("hello", "/root/file")
    assert sandbox.run("cat", "/root/file").stdout == "hello"
    (tmp_path / "file").write_text("from here")
    sandbox.upload(tmp_path, "/root/uploaded")
    assert sandbox.run("cat", "/root/uploaded/file").stdout == "from here"


def test_restored_copies(prepared):
    assert prepared.run("ls", "/srv").stdout == "made\\n"


@pytest.mark.sandbox(unencrypted_ports=[8000])
def test_a_tunnel_is_here(sandbox):
    server = sandbox.exec("python3", "-u", "-m", "http.server", "8000")
    next(iter(server.stdout))
    host, port = sandbox.tunnels()[8000].tcp_socket
    with socket.create_connection((host, port)) as connection:
        connection.sendall(b"HEAD / HTTP/1.0\\r\\n\\r\\n")
        assert connection.recv(100).startswith(b"HTTP/1.0 200")


def test_the_token_is_in_no_arguments(sandbox):
    # Of this process, and of the engine process that it has started.
    token = os.environ["PYTEST_SANDBOX_ENGINE"].partition("://")[2].partition("@")[0]
    for arguments in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert token not in arguments.read_text()
        except (FileNotFoundError, ProcessLookupError):
            pass
"""


def test_tests_run_as_they_do_here(pytester: pytest.Pytester, remote: RemoteAddress) -> None:
    pytester.makepyfile(TESTS)
    result = pytester.runpytest("-rs")
    result.assert_outcomes(passed=4)
    processors = len(os.sched_getaffinity(0))
    result.stdout.fnmatch_lines(
        f"sandbox: {remote.place} (environment variable PYTEST_SANDBOX_ENGINE), "
        f"{processors} processors*"
    )
    result.stdout.no_fnmatch_line(f"*{remote.token}*")


def test_a_run_with_a_wrong_token_says_so_once(
    pytester: pytest.Pytester, far: RemoteAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_SANDBOX_ENGINE", far.whole.replace(far.token, "wr0ng"))
    pytester.makepyfile("def test(sandbox): pass\ndef test_other(sandbox): pass")
    result = pytester.runpytest()
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(f"sandbox: {far.place} *, {far.place} does not know this token")
    result.stdout.no_fnmatch_line("*wr0ng*")


def test_the_project_is_refused_by_its_name(
    pytester: pytest.Pytester, remote: RemoteAddress
) -> None:
    pytester.makepyfile(
        "import pytest\n@pytest.mark.sandbox(project=True)\ndef test(sandbox): pass"
    )
    result = pytester.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("*upload*")


def test_a_run_chooses_what_is_its_own_and_nothing_else(
    pytester: pytest.Pytester, remote: RemoteAddress
) -> None:
    pytester.makepyfile(
        """
        import pytest

        def test_network(sandbox):
            assert sandbox.run("cat", "/etc/resolv.conf").stdout

        @pytest.mark.gpu("L4")
        def test_gpu(sandbox, gpu):
            assert gpu.name in sandbox.run("nvidia-smi", "-L").stdout

        @pytest.mark.gpu(["B200!:9", "H100:2"])
        def test_which_gpus(sandbox, gpu):
            assert sandbox.run("nvidia-smi", "-L").stdout.count("H100") == 2
            assert [each.name for each in gpu] == ["NVIDIA H100 80GB HBM3"] * 2
        """
    )
    pytester.runpytest(
        "--sandbox-network=open", "--gpu=fake", "--sandbox-pool=off"
    ).assert_outcomes(passed=3)
    pytester.makepyfile("import pytest\n@pytest.mark.gpu\ndef test(sandbox): pass")
    result = pytester.runpytest("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines("SKIPPED*needs 1 x GPU of another machine: *")
    result = pytester.runpytest("--sandbox-engine-option=memory=1G")
    result.stdout.fnmatch_lines("*the engine 'grpc+tls' has no option 'memory'*")


def test_which_gpus_a_test_has_there_is_asked_there() -> None:
    with pytest.raises(ValueError, match="nvidia-smi"):
        _ = LeasedGpus(()).name


@pytest.mark.parametrize(
    ("engine", "why"),
    [
        ("grpc+tls://s3cret@h", "it has no port"),
        ("grpc://s3cret@gpu-box:1", "grpc:// is not encrypted"),
        ("http://s3cret@h:1", "is no address of an engine"),
    ],
)
def test_what_is_no_address_is_refused_at_the_start(
    pytester: pytest.Pytester, engine: str, why: str
) -> None:
    result = pytester.runpytest(f"--sandbox-engine={engine}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*option --sandbox-engine: *{why}*"])
    assert "s3cret" not in result.stderr.str()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def runs_program(mark: str) -> bool:
    return subprocess.run(["pgrep", "-f", f"^sleep {mark}$"], check=False).returncode == 0


def test_a_run_that_is_killed_leaves_nothing_there(
    pytester: pytest.Pytester, remote: RemoteAddress
) -> None:
    mark = f"7{os.getpid()}.5"
    pytester.makepyfile(f"def test(sandbox): sandbox.run('sleep', '{mark}')")
    command = [sys.executable, "-m", "pytest", "-q"]
    with subprocess.Popen(command, cwd=pytester.path, stdout=subprocess.DEVNULL) as run:
        until(lambda: runs_program(mark))
        run.kill()
    until(lambda: not runs_program(mark))


def test_a_far_side_that_is_killed_is_an_error_of_its_tests_within_five_seconds(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as (address, pid):
        monkeypatch.setenv("PYTEST_SANDBOX_ENGINE", replace(address, lease=30.0).whole)
        pytester.makepyfile(
            f"""
            import os
            import signal
            import time

            import pytest
            from pytest_sandbox.client.exceptions import Error

            def test_first(sandbox):
                command = sandbox.exec("sleep", "1000")
                os.kill({pid}, signal.SIGKILL)
                began = time.monotonic()
                with pytest.raises(Error, match="{address.host}.* is gone"):
                    while time.monotonic() < began + 60:
                        sandbox.filesystem.list_files("/root")
                assert time.monotonic() - began < 5
                with pytest.raises(Error, match="{address.host}.* is gone"):
                    command.wait()
                assert time.monotonic() - began < 5

            def test_second(sandbox):
                pass
            """
        )
        began = time.monotonic()
        result = pytester.runpytest()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(f"E *the engine on {address.place} is gone: *refused*")
    assert time.monotonic() - began < TIMEOUT


def test_a_full_disk_there_is_an_error_with_the_name_of_the_machine(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving("--engine-option", "disk=8000000") as (address, _):
        monkeypatch.setenv("PYTEST_SANDBOX_ENGINE", address.whole)
        pytester.makepyfile(
            f"""
            import errno

            import pytest

            FULL = r"No space left on device on {socket.gethostname()}: '/root/"

            def test_it(sandbox, tmp_path):
                much = bytes(10_000_000)
                (tmp_path / "much").write_bytes(much)
                with pytest.raises(OSError, match=FULL + "file'") as caught:
                    sandbox.filesystem.write_bytes(much, "/root/file")
                assert caught.value.errno == errno.ENOSPC
                with pytest.raises(OSError, match=FULL + "uploaded/much'"):
                    sandbox.upload(tmp_path, "/root/uploaded")
                with pytest.raises(OSError, match=FULL + "open'"):
                    with sandbox.open("/root/open", "wb") as file:
                        file.write(much)
            """
        )
        pytester.runpytest().assert_outcomes(passed=1)
