"""The check for machines with a real GPU, on one with a simulated driver."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ADDOPTS, FakeMachine
from .machines import specification, write

HERE = Path(__file__).parent


@pytest.fixture
def h200(no_gpus: FakeMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    """One GPU, its driver in sandboxes, and a CUDA that only copies."""
    uuid = no_gpus.add("NVIDIA H200", 143771)
    monkeypatch.setenv("PYTEST_SANDBOX_CDI", str(tmp_path / "cdi"))
    folder, libraries = tmp_path / "cdi", tmp_path / "libraries"
    folder.mkdir()
    libraries.mkdir()
    content = specification(folder)
    smi, library = folder / "nvidia-smi", folder / "libcuda.so.580"
    smi.write_text(f'#!/bin/sh\n[ -c /dev/nvidia0 ] && echo "GPU 0: NVIDIA H200 (UUID: {uuid})"\n')
    command = ("gcc", "-shared", "-fPIC", "-o", library, HERE / "simulated_cuda.c")
    subprocess.run(command, check=True)
    (libraries / "libcuda.so.1").symlink_to(library)
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{os.environ['LD_LIBRARY_PATH']}:{libraries}")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    content["devices"][1:] = []
    write(folder, content)
    return no_gpus


def test_all_passes(h200: FakeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", ADDOPTS)
    done = subprocess.run(
        ("bash", HERE / "device_check.sh", sys.executable),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=110,
    )

    lines = done.stdout.rpartition("== results")[2].splitlines()[1:-2]
    assert [line[:8].strip() for line in lines] == ["PASSED"] * 14, done.stdout
    assert done.returncode == 0
    assert "files for sandboxes: CDI, " in done.stdout
    assert "lease and release: " in done.stdout
