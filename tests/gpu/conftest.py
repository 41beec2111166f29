"""A machine with GPUs that there are not: an NVML that answers from a file."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pytest_sandbox.gpus.leasing import _LAST
from pytest_sandbox.gpus.machine import _FOUND
from pytest_sandbox.local.engine.gpus.simulated_files import compile_nvml

from .machines import specification, write

H100, L4 = "NVIDIA H100 80GB HBM3", "NVIDIA L4"


@dataclass
class FakeMachine:
    """Its file; what is said here holds from the next question on."""

    path: Path
    lines: list[str] = field(default_factory=list)

    def add(self, name: str, memory: int, *, used: int = 0) -> str:
        """A further device; returns its UUID."""
        number = sum(line.startswith("device ") for line in self.lines)
        uuid = f"GPU-{os.getpid():08d}-0000-4000-8000-{number:012d}"
        self.say(f"device {uuid} {memory} {number} {used} {name}")
        return uuid

    def divide(self, index: int, *parts: tuple[str, int]) -> list[str]:
        """Have a device be used in parts (MIG): names and MiB; returns their UUIDs."""
        uuids = [f"MIG-{os.getpid():08d}-0000-5000-8000-{n:012d}" for n in range(len(parts))]
        lines = [f"part {index} {uuid} {m} {n}" for uuid, (n, m) in zip(uuids, parts, strict=True)]
        self.say(f"partitioned {index}", *lines)
        return uuids

    def say(self, *lines: str) -> None:
        self.lines += lines
        self._write()

    def unsay(self, beginning: str) -> None:
        self.lines = [line for line in self.lines if not line.startswith(beginning)]
        self._write()

    def _write(self) -> None:
        # At once, as other processes read it.
        new = self.path.with_suffix(".new")
        new.write_text("".join(f"{line}\n" for line in self.lines))
        new.rename(self.path)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`libnvidia-ml.so.1`, in a folder of its own."""
    folder = tmp_path_factory.mktemp("nvml")
    folder.chmod(0o755)
    target = folder / "libnvidia-ml.so.1"
    compile_nvml("gcc", str(target))
    # dlopen(3) gives a library of this name that is loaded already, wherever it came from.
    ctypes.CDLL(str(target), mode=ctypes.RTLD_GLOBAL)
    return target


@contextmanager
def fake_machine(library: Path, folder: Path) -> Iterator[FakeMachine]:
    """A machine with a driver and no GPU; programs that are started see the same."""
    fake = FakeMachine(folder / "nvml")
    fake.say("driver 580.95.05")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAKE_NVML", str(fake.path))
        patch.setenv("LD_LIBRARY_PATH", str(library.parent))
        patch.setenv("PYTEST_SANDBOX_GPU_LOCKS", str(folder / "locks"))
        _FOUND.clear()
        _LAST.clear()
        yield fake
        _FOUND.clear()


@pytest.fixture
def no_gpus(library: Path, tmp_path: Path) -> Iterator[FakeMachine]:
    with fake_machine(library, tmp_path) as fake:
        yield fake


@pytest.fixture
def gpus(no_gpus: FakeMachine) -> FakeMachine:
    """A machine with two H100 and an L4."""
    for name, memory in ((H100, 81559), (H100, 81559), (L4, 23034)):
        no_gpus.add(name, memory)
    return no_gpus


#: Without the plugins that take most of the start of pytest.
ADDOPTS = (
    "-p no:hypothesispytest -p no:anyio -p no:asyncio -p no:fakefs -p no:time_machine -p no:socket "
    "-p no:rerunfailures"
)


@pytest.fixture
def own_settings(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs inside of a test have their own, and start soon."""
    monkeypatch.setenv("PYTEST_ADDOPTS", ADDOPTS)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("PYTEST_SANDBOX_ENGINE", raising=False)


@pytest.fixture
def with_devices(gpus: FakeMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose GPUs sandboxes can have."""
    folder = tmp_path / "cdi"
    folder.mkdir()
    write(folder, specification(folder))
    monkeypatch.setenv("PYTEST_SANDBOX_CDI", str(folder))
