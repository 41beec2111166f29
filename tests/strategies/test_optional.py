"""Hypothesis is needed for the strategies, and for nothing else."""

import subprocess
import sys

import pytest

from pytest_sandbox._shared.install_command import install_command

WITHOUT = "import sys; sys.modules['hypothesis'] = None; "


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_without_hypothesis_it_is_said_what_to_install() -> None:
    done = run(WITHOUT + "import pytest_sandbox.strategies")
    assert done.returncode == 1
    assert install_command("hypothesis") in done.stderr


@pytest.mark.parametrize("name", ["", ".plugin", ".fakes", ".engine.conformance", ".server"])
def test_the_rest_does_without(name: str) -> None:
    done = run(WITHOUT + f"import pytest_sandbox{name}")
    assert done.returncode == 0, done.stderr
