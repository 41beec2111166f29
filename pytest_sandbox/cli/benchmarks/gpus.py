"""The figure of leases of GPUs."""

import fcntl
import os
import tempfile

from pytest_sandbox._shared.gpus.requests import parse
from pytest_sandbox.gpus import (
    GpuDevice,
    GpuMachine,
    GpusUnavailable,
    LeaseWanted,
    Nvml,
    take_lease,
    this_machine,
)

from .samples import Samples
from .session import Bench

_LOCKS = "PYTEST_SANDBOX_GPU_LOCKS"
#: So little that a GPU in use has it.
_MIB = 1


class _AnswersAtOnce(Nvml):
    """In place of a driver that is not there."""

    def processes(self, device: GpuDevice) -> list[int]:
        """None."""
        return []

    def free(self, device: GpuDevice) -> int:
        """All of it."""
        return device.memory


def gpu(bench: Bench) -> None:
    """A lease of a GPU, taken and given back, with NVML open."""
    try:
        machine = this_machine()
        name = "gpu: lease + release"
    except GpusUnavailable:
        devices = [GpuDevice(0, "GPU-bench", "NVIDIA L4", 23034, "0", 0)]
        machine = GpuMachine(_AnswersAtOnce(), devices, {})
        name = "gpu: lease + release, no driver to ask"
    asked = LeaseWanted(parse("any"), "pytest-sandbox bench", memory=_MIB)
    ours, baseline = Samples(), bench.baseline()
    before = os.environ.get(_LOCKS)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[_LOCKS] = f"{folder}/locks"
        try:
            take_lease(machine, asked).release()
            for _ in bench.cycles("gpu: lease + release"):
                with baseline.sample():
                    _lock(f"{folder}/lock")
                with ours.sample():
                    take_lease(machine, asked).release()
        finally:
            del os.environ[_LOCKS]
            if before is not None:
                os.environ[_LOCKS] = before
    bench.timing(name, ours, "one lock of a file", baseline)


def _lock(path: str) -> None:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    os.close(fd)
