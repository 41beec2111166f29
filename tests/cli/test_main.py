"""The command line, but for what its commands do."""

import os
import subprocess
import sys

import pytest

from pytest_sandbox.cli import main


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])

    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert all(command in out for command in ("doctor", "serve", "bench"))


@pytest.mark.parametrize("command", ["doctor", "serve", "bench"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])

    assert caught.value.code == 0
    assert f"pytest-sandbox {command}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["dcotor"], ["serve", "--port", "http"]])
def test_what_makes_no_sense_is_refused_with_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == 2
    assert "usage: pytest-sandbox" in capsys.readouterr().err


def test_only_serve_takes_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--", "true"]) == 2
    assert "doctor takes no command" in capsys.readouterr().err


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])

    assert capsys.readouterr().out.count(".") == 2


def test_asking_for_help_imports_no_client_and_no_server() -> None:
    code = (
        "import sys; from pytest_sandbox.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'asyncio', 'grpclib', 'google'} & set(sys.modules)), file=sys.stderr)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ)
    )

    assert done.stderr.strip() == "[]"
