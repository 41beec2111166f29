"""A tool that looks at GPUs, on machines with such as few people have."""

from pathlib import Path

import pytest

from pytest_sandbox import CompletedCommand, Sandbox
from pytest_sandbox.plugin import LeasedGpus

PROGRAM = Path(__file__).with_name("fits.py")


def fits(sandbox: Sandbox, mib: int) -> CompletedCommand[str]:
    sandbox.filesystem.copy_from_local(PROGRAM, "/srv/fits.py")
    return sandbox.run("python3", "/srv/fits.py", str(mib))


@pytest.mark.gpu("H100", count=2)
def test_all_that_fit_are_named(sandbox: Sandbox, gpu: LeasedGpus) -> None:
    listed = "".join(f"GPU {each.index}: {each.name}\n" for each in gpu)

    assert fits(sandbox, 40_000).stdout == listed


@pytest.mark.parametrize(
    ("needed", "status"),
    [
        pytest.param(20_000, 1, marks=pytest.mark.gpu("T4")),
        pytest.param(20_000, 0, marks=pytest.mark.gpu("L4")),
        pytest.param(60_000, 1, marks=pytest.mark.gpu("A100-40GB")),
        pytest.param(60_000, 0, marks=pytest.mark.gpu("A100-80GB")),
    ],
)
def test_the_status_says_whether_one_fits(sandbox: Sandbox, needed: int, status: int) -> None:
    assert fits(sandbox, needed).returncode == status


def test_a_machine_without_a_gpu(sandbox: Sandbox) -> None:
    done = fits(sandbox, 1)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "no nvidia-smi: is there a driver of NVIDIA?\n"
