"""NVML: found when it is first needed, opened once, and given up when it hangs."""

import re
import subprocess
import sys
import time

import pytest

from pytest_sandbox.gpus import GpusUnavailable, GpusUnusable, nvml, this_machine
from pytest_sandbox.gpus.nvml import Nvml

from .conftest import H100, FakeMachine


def test_what_a_device_is(gpus: FakeMachine) -> None:
    device = this_machine().devices[1]

    assert (device.index, device.name, device.memory) == (1, H100, 81559)
    assert (device.driver, device.minor, device.node) == ("580.95.05", 1, "/dev/nvidia1")
    assert device.uuid.startswith("GPU-")
    assert str(this_machine()) == "2 x NVIDIA H100 80GB HBM3, 1 x NVIDIA L4"
    assert this_machine() is this_machine()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "the driver is loaded, but finds no GPU"),
        ("fail nvmlInitWithFlags 9", "the driver is not loaded"),
        ("fail nvmlInitWithFlags 12", "the driver is not installed: no libnvidia-ml.so.1"),
        ("fail nvmlInitWithFlags 18", "of different versions"),
        ("fail nvmlDeviceGetCount_v2 4", "this user may not use the driver"),
        ("fail nvmlDeviceGetCount_v2 999", "NVML: "),
    ],
)
def test_why_there_are_none(no_gpus: FakeMachine, line: str, words: str) -> None:
    no_gpus.say(line)

    with pytest.raises(GpusUnavailable, match=words):
        this_machine()


def test_a_device_that_is_lost_is_named(gpus: FakeMachine) -> None:
    gpus.say("fail device0 15")

    assert [device.index for device in this_machine().devices] == [1, 2]
    assert "GPU 0: the GPU is lost: it does not answer on its bus" in str(this_machine())


def test_a_driver_that_hangs_is_given_up(no_gpus: FakeMachine) -> None:
    no_gpus.say("hang nvmlInitWithFlags")
    nvml = Nvml(limit=0.2)

    for _ in range(2):
        start = time.monotonic()
        with pytest.raises(GpusUnavailable, match=r"NVML did not answer nvmlInit within 0\.2 s"):
            nvml.devices()
        assert time.monotonic() - start < 5


def test_a_driver_that_hangs_is_asked_once(
    no_gpus: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_gpus.say("hang nvmlInitWithFlags")
    monkeypatch.setenv("PYTEST_SANDBOX_NVML_TIMEOUT", "1")
    start = time.monotonic()
    for _ in range(5):
        with pytest.raises(GpusUnavailable, match="the driver hangs"):
            this_machine()

    assert time.monotonic() - start < 3


def test_the_end_of_a_process_does_not_wait_for_a_driver_that_hangs(
    gpus: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus.say("hang nvmlDeviceGetCount_v2")
    monkeypatch.setenv("PYTEST_SANDBOX_NVML_TIMEOUT", "0.2")
    code = "from pytest_sandbox.gpus import this_machine\nthis_machine()"

    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, timeout=20)

    # On a busy machine, an earlier call may take as long.
    assert re.search(r"NVML did not answer nvml\w+ within 0\.2 s", done.stderr), done


def test_a_limit_that_makes_no_sense(gpus: FakeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_SANDBOX_NVML_TIMEOUT", "soon")

    with pytest.raises(GpusUnavailable, match="PYTEST_SANDBOX_NVML_TIMEOUT='soon'"):
        this_machine()


def test_without_the_package_the_command_that_installs_it_is_named(
    gpus: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)

    with pytest.raises(GpusUnavailable, match=r"^nvidia-ml-py.*: pip install .*\[gpu\]") as caught:
        this_machine()
    assert not isinstance(caught.value, GpusUnusable)


def test_without_the_package_on_a_machine_with_a_driver(
    pytester: pytest.Pytester, gpus: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No reason to skip: `pip install` was forgotten."""
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setattr(nvml, "_DRIVER", "/dev/null")
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.gpu
        def test_marked(): ...

        @pytest.mark.sandbox(gpu="L4")
        def test_in_a_sandbox(sandbox): ...
        """
    )

    result = pytester.runpytest("-p", "no:asyncio")

    result.assert_outcomes(errors=2)
    text = "the driver of NVIDIA is loaded, but nvidia-ml-py is not installed: pip install "
    assert result.stdout.str().count(f"\n{text}") == 2
