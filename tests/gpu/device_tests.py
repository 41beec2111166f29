"""What `device_check.sh` runs on a machine with a real GPU, one of NVIDIA."""

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_sandbox import Sandbox, exceptions
from pytest_sandbox._shared.gpus.requests import parse
from pytest_sandbox.gpus import GpusTaken, LeaseWanted, take_lease, this_machine
from pytest_sandbox.plugin import LeasedGpus, SandboxFactory

#: Calls CUDA by ctypes, with nothing but the driver: names the device, and sends a megabyte to its
#: memory and back.
CUDA = """
import ctypes, os
cuda = ctypes.CDLL("libcuda.so.1")

def call(name, *arguments):
    status = getattr(cuda, name)(*arguments)
    if status:
        text = ctypes.c_char_p()
        cuda.cuGetErrorName(status, ctypes.byref(text))
        raise SystemExit(f"{name}: {(text.value or b'?').decode()}")

count, device, context = ctypes.c_int(), ctypes.c_int(), ctypes.c_void_p()
pointer, name = ctypes.c_uint64(), ctypes.create_string_buffer(100)
call("cuInit", 0)
call("cuDeviceGetCount", ctypes.byref(count))
call("cuDeviceGet", ctypes.byref(device), 0)
call("cuDeviceGetName", name, 100, device)
call("cuCtxCreate_v2", ctypes.byref(context), 0, device)
sent = os.urandom(1 << 20)
back = ctypes.create_string_buffer(len(sent))
call("cuMemAlloc_v2", ctypes.byref(pointer), len(sent))
call("cuMemcpyHtoD_v2", pointer, sent, len(sent))
call("cuMemcpyDtoH_v2", back, pointer, len(sent))
call("cuMemFree_v2", pointer)
call("cuCtxDestroy_v2", context)
print(count.value, name.value.decode(), back.raw == sent)
"""
#: What the tests of workers leave while they have the device.
IN_USE = Path(__file__).parent / "in-use"


#: Seconds that a check may take.
LIMIT = 45


@pytest.fixture(autouse=True)
def limited() -> Iterator[None]:
    """End a check that hangs, so that those behind it are made."""

    def give_up(*_: object) -> None:
        pytest.fail(f"it did not end within {LIMIT} s")

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(LIMIT)
    yield
    signal.alarm(0)


def nodes(sandbox: Sandbox) -> list[str]:
    return sandbox.run("sh", "-c", "ls /dev | grep -x 'nvidia[0-9]*'").stdout.split()


@pytest.mark.gpu
def test_nvidia_smi(sandbox: Sandbox, gpu: LeasedGpus) -> None:
    listed = sandbox.run("nvidia-smi", "-L", check=True).stdout
    print(listed)

    assert listed.count("GPU ") == 1
    assert gpu.uuid in listed
    assert gpu.name in listed


@pytest.mark.gpu
def test_a_cuda_call_in_a_sandbox(sandbox: Sandbox, gpu: LeasedGpus) -> None:
    done = sandbox.run("python3", "-c", CUDA, timeout=60)
    print(done.stdout, done.stderr)

    assert done.stdout == f"1 {gpu.name} True\n"


@pytest.mark.gpu
def test_a_cuda_call_of_the_test_itself(gpu: LeasedGpus) -> None:
    done = subprocess.run([sys.executable, "-c", CUDA], capture_output=True, text=True, timeout=60)
    print(done.stdout, done.stderr)

    assert done.stdout == f"1 {gpu.name} True\n"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == gpu.uuid


@pytest.mark.gpu
def test_sandboxes_do_not_see_each_others(
    sandbox: Sandbox, sandbox_factory: SandboxFactory, gpu: LeasedGpus
) -> None:
    none = sandbox_factory(gpu=None)
    sandbox.run("nvidia-smi", "-L", check=True)

    assert nodes(sandbox) == [gpu.node.rpartition("/")[2]]
    assert nodes(none) == []
    assert none.run("printenv", "NVIDIA_VISIBLE_DEVICES").stdout == "void\n"
    every = sandbox_factory(gpu=None, env={"NVIDIA_VISIBLE_DEVICES": "all"})
    assert nodes(every) == []
    assert none.run("python3", "-c", CUDA, timeout=60).returncode != 0
    assert none.run("sh", "-c", f"mknod /tmp/n c 195 {gpu.minor}").returncode != 0
    assert none.run("sh", "-c", "nvidia-smi -L").returncode != 0


@pytest.mark.gpu
def test_a_device_is_for_one(sandbox: Sandbox, gpu: LeasedGpus) -> None:
    sandbox.run("nvidia-smi", "-L", check=True)
    if len(this_machine().devices) == 1:
        with pytest.raises(GpusTaken, match="test_a_device_is_for_one"):
            take_lease(this_machine(), LeaseWanted(parse("any"), "another", wait=0.2))


@pytest.mark.gpu(memory=1000)
def test_a_lease_of_memory(sandbox: Sandbox, gpu: LeasedGpus) -> None:
    other = take_lease(this_machine(), LeaseWanted(parse("any"), "another", memory=1000))
    assert other.devices[0].uuid == gpu.uuid
    other.release()
    assert sandbox.run("python3", "-c", CUDA, timeout=60).stdout == f"1 {gpu.name} True\n"


@pytest.mark.sandbox(gpu="any")
def test_without_the_marker(sandbox: Sandbox) -> None:
    assert sandbox.run("nvidia-smi", "-L", check=True).stdout.count("GPU ") == 1


def test_more_than_there_are(sandbox_factory: SandboxFactory) -> None:
    with pytest.raises(exceptions.UnimplementedError, match="needs 99 x GPU; this machine has "):
        sandbox_factory(gpu="any:99")


@pytest.mark.gpu(count=1)
@pytest.mark.parametrize("number", range(4))
def test_worker(sandbox: Sandbox, gpu: LeasedGpus, number: int) -> None:
    """Two workers want one device: they have it one after the other."""
    mine = IN_USE.with_name(f"in-use-{gpu.index}")
    mine.mkdir()
    sandbox.run("nvidia-smi", "-L", check=True)
    time.sleep(0.3)
    mine.rmdir()


@pytest.mark.gpu(memory=1)
def test_what_a_lease_costs(sandbox: Sandbox) -> None:
    """At most 2 ms, with NVML already open."""
    sandbox.run("nvidia-smi", "-L", check=True)
    times = []
    for _ in range(50):
        start = time.perf_counter()
        take_lease(this_machine(), LeaseWanted(parse("any"), "a figure", memory=1)).release()
        times.append((time.perf_counter() - start) * 1000)
    median = statistics.median(times)
    print(f"lease and release: {median:.2f} ms, of 50 the slowest {max(times):.2f} ms")
    assert median < 2
