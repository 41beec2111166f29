"""Simulated GPUs in sandboxes of the local engine: programs that only ask get answers."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from pytest_sandbox._shared.gpus import simulated_smi
from pytest_sandbox.engine import Capability, Gpus, TaskSpec, Unsupported
from pytest_sandbox.engine.conformance import CHECKS, Check
from pytest_sandbox.local import LocalEngine, LocalOptions
from pytest_sandbox.local.engine.gpus import simulated_files

from .conftest import FakeMachine
from .test_local import out

pytestmark = pytest.mark.usefixtures("own_settings")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalEngine]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        engine = LocalEngine(LocalOptions(gpus="simulated"))
        await engine.start()
        yield engine
        await engine.close()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "check", [each for each in CHECKS if Capability.GPU in each.needs], ids=str
)
async def test_the_contract(check: Check, engine: LocalEngine) -> None:
    await check.run(engine)


@pytest.mark.asyncio(loop_scope="module")
async def test_nvidia_smi_and_nvml_agree(engine: LocalEngine) -> None:
    task = await engine.create(TaskSpec(gpus=Gpus("H100", 2)))
    ask = """
import pynvml
pynvml.nvmlInit()
for index in range(pynvml.nvmlDeviceGetCount()):
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle).total >> 20
    used = pynvml.nvmlDeviceGetUtilizationRates(handle).gpu
    names = pynvml.nvmlDeviceGetUUID(handle), pynvml.nvmlDeviceGetName(handle)
    hot = pynvml.nvmlDeviceGetTemperature(handle, 0)
    watts = pynvml.nvmlDeviceGetPowerUsage(handle) / 1000
    print(*names, memory, used, hot, f"{watts:.2f}", sep=", ")
"""
    query = (
        "nvidia-smi --query-gpu=uuid,name,memory.total,utilization.gpu,temperature.gpu,power.draw"
    )
    told = await out(task, f"{query} --format=csv,noheader,nounits")

    assert told.splitlines()[1] == (
        "GPU-00000000-0000-4000-8000-000000000001, NVIDIA H100 80GB HBM3, 81559, 0, 30, 25.00"
    )
    assert await out(task, f"python3 -c '{ask}'") == told
    assert "NVIDIA-SMI 580.95.05" in await out(task, "nvidia-smi")
    assert (await out(task, "nvidia-smi -q")).count("GPU UUID") == 2
    assert "'dmon' is not supported by simulated GPUs" in await out(task, "nvidia-smi dmon")
    assert await out(task, "ls /dev | grep nvidia") == ""


@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_not_simulated(engine: LocalEngine) -> None:
    with pytest.raises(
        Unsupported, match=r"1 x H1O0: of simulated ones there are T4, .*; did you mean 'H100'"
    ):
        await engine.create(TaskSpec(gpus=Gpus("H1O0")))
    other = await engine.create(TaskSpec(gpus=Gpus("Z80", 1, (Gpus("L4", 2),))))
    assert (await out(other, "nvidia-smi -L")).count("NVIDIA L4") == 2


def test_without_a_compiler_there_is_no_nvml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(simulated_files, "_COMPILERS", ("no-such-compiler",))
    without = simulated_files.find_simulated()
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = simulated_files.find_simulated()

    assert without.origin == "simulated, without NVML: there is no C compiler, cc"
    assert [file.path for file in without.files] == ["/opt/simulated-gpus/bin/nvidia-smi"]
    assert len(found.files) == 2
    assert simulated_files.find_simulated() == found  # from the cache


def test_a_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")

    assert "need files in the cache" in simulated_files.find_simulated().missing


def test_the_program_is_a_file_by_itself(tmp_path: Path) -> None:
    command = (sys.executable, "-I", "-S", simulated_smi.__file__, "-L")
    env = {simulated_smi.VARIABLE: "driver 1\ndevice GPU-1 10 0 0 ACME 1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)

    assert done.stdout == "GPU 0: ACME 1 (UUID: GPU-1)\n"
    assert subprocess.run(command, env={}, capture_output=True, check=False).returncode == 9


def test_tests_with_the_option(
    pytester: pytest.Pytester, no_gpus: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FAKE_NVML")
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.gpu("A100-80GB", count=2)
        def test_it(sandbox, gpu):
            listed = sandbox.run("nvidia-smi", "-L", check=True).stdout
            assert [gpu.uuid in listed for gpu in gpu] == [True, True]

        def test_none(sandbox):
            assert sandbox.run("sh", "-c", "nvidia-smi").returncode == 127
        """
    )

    result = pytester.runpytest_subprocess("--gpu=fake", "--gpu-strict")

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["gpu: fake (option)", "1 with GPUs in a sandbox"])
    assert os.environ.get("CUDA_VISIBLE_DEVICES") is None
