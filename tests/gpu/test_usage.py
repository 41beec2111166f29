"""Tests that never open the GPUs that they ask for, and tests that use one without asking."""

import re
from pathlib import Path

import pytest

from pytest_sandbox.gpus import GpuDevice, OpenWatch
from pytest_sandbox.plugin.gpu import usage
from pytest_sandbox.plugin.gpu.held import _OPEN_HERE

from .conftest import FakeMachine

pytestmark = pytest.mark.usefixtures("own_settings")


@pytest.fixture(autouse=True)
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files that stand for the nodes of devices."""
    for minor in range(3):
        (tmp_path / f"nvidia{minor}").touch()
    node = property(lambda device: str(tmp_path / f"nvidia{device.minor}"))
    monkeypatch.setattr(GpuDevice, "node", node)
    _OPEN_HERE.clear()
    return tmp_path


TESTS = """
import subprocess
import pytest

@pytest.mark.gpu("L4")
def test_none(gpu): ...

@pytest.mark.gpu("H100", count=2)
def test_one_of_two(gpu):
    open(gpu[0].node).close()

@pytest.mark.gpu("L4")
def test_child(gpu):
    subprocess.run(["cat", gpu.node], check=True)

@pytest.mark.gpu("L4")
def test_again(gpu): ...   # the process may have a context from before

@pytest.mark.gpu("L4")
def test_failed(gpu):
    assert not gpu

@pytest.mark.gpu("H200")
def test_skipped(gpu): ...
"""


def test_gpus_that_are_never_opened_are_told(pytester: pytest.Pytester, gpus: FakeMachine) -> None:
    pytester.makepyfile(TESTS)

    result = pytester.runpytest()

    result.assert_outcomes(passed=4, failed=1, skipped=1)
    told = [line.partition("::")[2] for line in result.outlines if " never opened " in line]
    assert told == [
        "test_none never opened GPU 2 (NVIDIA L4)",
        "test_one_of_two never opened GPU 1 (NVIDIA H100 80GB HBM3)",
    ]


def test_strict_makes_them_fail(pytester: pytest.Pytester, gpus: FakeMachine) -> None:
    pytester.makepyfile(TESTS)

    result = pytester.runpytest("--gpu-strict")

    result.assert_outcomes(passed=2, failed=3, skipped=1)
    result.stdout.fnmatch_lines("the test never opened GPU 2 (NVIDIA L4) (--gpu-strict)")


def test_a_process_that_the_driver_knows_has_opened_it(
    pytester: pytest.Pytester, gpus: FakeMachine
) -> None:
    import os

    gpus.say(f"process 2 {os.getpid()}")
    pytester.makepyfile("import pytest\n@pytest.mark.gpu('L4')\ndef test_it(): ...")

    pytester.runpytest("--gpu-strict").assert_outcomes(passed=1)


UNMARKED = """
import pytest

def test_asks(sandbox_factory):
    sandbox_factory(gpu="L4")

@pytest.mark.sandbox(gpu="L4")
def test_says_so(sandbox): ...

def test_none(sandbox): ...
"""


def test_a_sandbox_with_a_gpu_without_a_marker(
    pytester: pytest.Pytester, with_devices: None
) -> None:
    pytester.makepyfile(UNMARKED)
    pytester.makeini("[pytest]\ngpu_strict = true")

    result = pytester.runpytest_subprocess()

    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines("the test asked for a GPU without the marker gpu (--gpu-strict)")


def test_a_device_that_is_opened_without_a_marker(
    pytester: pytest.Pytester, gpus: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "_CONTROL", "/dev/null")
    monkeypatch.setattr(usage, "_NODE", re.compile(r".*/nvidia\d"))
    pytester.makepyfile(
        f"""
        import os
        import pytest

        @pytest.fixture
        def kept():
            kept = []
            yield kept
            os.close(kept[0])

        def test_it(kept):
            kept.append(os.open("{pytester.path}/nvidia1", os.O_CREAT))
        """
    )

    result = pytester.runpytest()

    result.stdout.fnmatch_lines("*::test_it opened *nvidia1 without the marker gpu")
    result.assert_outcomes(passed=1)


def test_simulated_ones_need_not_be_opened(pytester: pytest.Pytester, no_gpus: FakeMachine) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_sandbox import Sandbox

        @pytest.mark.gpu("L4")
        def test_it(fake_sandboxes, sandbox): ...

        @pytest.mark.fake_sandboxes(allow=["unexpected-rpcs"])
        def test_unmarked(fake_sandboxes):
            Sandbox.create(gpu="L4")
        """
    )

    pytester.runpytest("--gpu-strict").assert_outcomes(passed=2)


def test_what_cannot_be_watched_is_not_known(tmp_path: Path) -> None:
    watch = OpenWatch([str(tmp_path / "missing")])
    assert watch.was_opened() is None
    watch.close()
    watch.close()
    assert watch.was_opened() is None
