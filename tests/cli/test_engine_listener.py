"""`pytest-sandbox serve --listen`, and what is wrong with its options."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox._shared.network.engine_address import RemoteAddress
from pytest_sandbox.cli import main
from pytest_sandbox.remote import FarListening, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVE = (sys.executable, "-m", "pytest_sandbox.cli", "serve")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--listen", "h:1", "--stdio"], "two ways to do the same"),
        (["--listen", "h:1", "--", "true"], "-- COMMAND is about Modal clients"),
        (["--listen", "h:1", "--port", "3"], "--port is about Modal clients"),
        (["--stdio", "--no-tls"], "ssh has keys"),
        (["--listen", "h:1", "--no-tls"], "--no-tls is for loopback addresses, and h is none"),
        (["--listen", ":1", "--no-tls"], "and no HOST is none"),
        (["--listen", "h:1", "--certificate", "c"], "--certificate and --key need each other"),
        (["--token-file", "f"], "--no-tls and --token-file are for --listen"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *arguments]) == 2
    assert why in capsys.readouterr().err


@pytest.mark.parametrize("place", ["gpu-box", "gpu-box:x", "gpu-box:70000"])
def test_a_place_has_a_port(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--listen", place])
    assert f"expected HOST:PORT, not '{place}'" in capsys.readouterr().err


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SERVE, "--engine", "fake", *arguments],
        input="",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(("host", "told"), [("127.1", True), ("127.0.0.1", False), ("", False)])
def test_a_name_that_is_loopback_here_is_said(host: str, told: bool) -> None:
    done = run("--listen", f"{host}:0", "--until-eof")
    assert done.returncode == 0, done.stderr
    said = "127.1 is 127.0.0.1 on this machine, which no other one reaches. For others, listen on"
    assert (said in done.stderr) is told
    assert ("--listen :" in done.stderr) is told


def test_what_has_no_end_is_not_waited_for() -> None:
    done = subprocess.run(
        [*SERVE, "--engine", "fake", "--listen", "127.0.0.1:0", "--until-eof"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "descriptor 0 is a file or /dev/null, whose end is not told" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_cannot_be_had_is_said(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("short")
    done = run("--listen", "127.0.0.1:0", "--token-file", str(token))
    assert done.returncode == 1
    assert "a token of 5 letters can be guessed" in done.stderr
    done = run("--listen", "192.0.2.1:1", "--no-tls")
    assert done.returncode == 2
    done = run("--listen", "192.0.2.1:1")
    assert done.returncode == 1
    assert "cannot listen on 192.0.2.1, port 1" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--listen", "my_box:0"], "no certificate can be made for the name 'my_box'"),
        (["--listen", "127.0.0.1:0", "--engine-option", "nosuch=1"], "has no option 'nosuch'"),
        (["--stdio", "--engine-option", "nosuch=1"], "has no option 'nosuch'"),
    ],
)
def test_what_no_run_could_use_is_said_at_once(arguments: list[str], why: str) -> None:
    done = run(*arguments)
    assert done.returncode == 1
    assert why in done.stderr
    assert "Traceback" not in done.stderr


def test_the_name_of_the_machine_need_not_fit_in_a_certificate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "my_box")
    shown = serving._certificate(FarListening("", 0, "t"))
    assert shown is not None
    assert len(shown.fingerprint) == 64


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    token = tmp_path / "token"
    token.write_text("0123456789abcdef\n")
    with subprocess.Popen(
        [*SERVE, "--engine", "fake", "--listen", "127.0.0.1:0", "--token-file", str(token)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


def test_it_prints_one_line_and_ends_when_it_is_asked_to(
    listening: subprocess.Popen[str],
) -> None:
    assert listening.stdout is not None
    address = RemoteAddress.parse(listening.stdout.readline().strip())
    assert (address.scheme, address.host) == ("grpc+tls", "127.0.0.1")
    assert (address.token, len(address.fingerprint)) == ("0123456789abcdef", 64)
    listening.send_signal(signal.SIGTERM)
    out, err = listening.communicate(timeout=30)
    assert (listening.returncode, out) == (0, "")
    assert f"as an engine at {address.public}\n" in err
    assert address.token not in err


def test_a_terminal_shows_what_to_set_elsewhere() -> None:
    terminal, ours = os.openpty()
    command = [*SERVE, "--engine", "fake", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=ours, text=True) as process:
        os.close(ours)
        assert process.stdout is not None
        whole = process.stdout.readline().strip()
        with open(terminal, encoding="utf-8") as shown:
            lines = [next(shown) for _ in range(3)]
        process.terminate()
    assert f"export PYTEST_SANDBOX_ENGINE='{whole}'" in lines[-1]
