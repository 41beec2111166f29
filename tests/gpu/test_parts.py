"""Parts of a GPU that is divided (MIG): devices of their own."""

from pathlib import Path
from typing import Any

import pytest

from pytest_sandbox._shared.gpus.requests import parse
from pytest_sandbox.gpus import (
    GpuLease,
    GpusMissing,
    GpusTaken,
    LeaseWanted,
    adopt_lease,
    take_lease,
    this_machine,
)
from pytest_sandbox.local.engine.gpus.found import GpuFile
from pytest_sandbox.local.engine.gpus.machine_files import find_gpus

from .conftest import H100, L4, FakeMachine
from .machines import specification, write

pytestmark = pytest.mark.usefixtures("own_settings")

SMALL, LARGE = f"{H100} MIG 1g.10gb", f"{H100} MIG 3g.40gb"


@pytest.fixture
def divided(gpus: FakeMachine) -> list[str]:
    """The UUIDs of three parts of the first of two H100."""
    return gpus.divide(0, (LARGE, 40448), (SMALL, 9856), (SMALL, 9856))


def take(gpu: object, memory: int | None = None) -> GpuLease:
    return take_lease(this_machine(), LeaseWanted(parse(gpu), "this test", memory))


def test_what_a_part_is(divided: list[str]) -> None:
    devices = this_machine().devices

    assert [str(device) for device in devices] == [
        *(f"GPU 0:0 ({LARGE})", f"GPU 0:1 ({SMALL})", f"GPU 0:2 ({SMALL})"),
        *(f"GPU 1 ({H100})", f"GPU 2 ({L4})"),
    ]
    assert [device.uuid for device in devices[:3]] == divided
    assert (devices[1].index, devices[1].part, devices[1].memory) == (0, 1, 9856)
    assert devices[1].node == "/dev/nvidia0"


@pytest.mark.parametrize(
    ("gpu", "numbers"),
    [
        ("H100", ["1"]),
        ("H100 MIG 1g.10gb:2", ["0:1", "0:2"]),
        ("MIG 3g.40gb", ["0:0"]),
        ("mig:3", ["0:0", "0:1", "0:2"]),
        ("any:5", ["0:0", "0:1", "0:2", "1", "2"]),
    ],
)
def test_a_part_is_of_no_kind_of_whole_ones(
    divided: list[str], gpu: str, numbers: list[str]
) -> None:
    lease = take(gpu)

    assert [device.number for device in lease.devices] == numbers
    lease.release()


def test_parts_are_leased_by_themselves(gpus: FakeMachine, divided: list[str]) -> None:
    first, second = take("MIG 1g.10gb"), take("MIG 1g.10gb", 4000)

    assert [*first.devices, *second.devices] == this_machine().devices[1:3]
    engine = adopt_lease(first.name)
    first.release()
    with pytest.raises(GpusTaken, match=r"GPU 0:1 \(NVIDIA H100 80GB HBM3 MIG 1g.10gb\): this"):
        take("MIG 1g.10gb")
    engine.release()
    second.release()
    with pytest.raises(GpusMissing, match="needs 2 x H100; this machine has 1 x NVIDIA H100"):
        take("H100:2")
    gpus.say("process 0:0 1")
    with pytest.raises(GpusTaken, match=r"GPU 0:0 .*: pid 1 \(.*\), which holds no lease"):
        take("MIG 3g.40gb")


def test_one_that_is_divided_into_nothing(gpus: FakeMachine) -> None:
    gpus.say("partitioned 2")

    assert this_machine().lost == {2: "it is divided (MIG), into no parts: nvidia-smi mig -cgi"}


@pytest.mark.parametrize(("visible", "numbers"), [("0", ["0:0"]), ("{1},2", ["0:1", "2"])])
def test_what_cuda_shows(
    divided: list[str], monkeypatch: pytest.MonkeyPatch, visible: str, numbers: list[str]
) -> None:
    """Of a GPU in parts it is the first one; and what several have in common names none."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", f"{visible.format(*divided)},MIG-")

    assert [device.number for device in this_machine().devices] == numbers


def in_parts(folder: Path) -> dict[str, Any]:
    """A specification as nvidia-ctk makes it: no device `0`, but two parts with its node."""
    content = specification(folder)
    content["devices"][0:1] = [
        {
            "name": f"0:{part}",
            "containerEdits": {
                "deviceNodes": [
                    {"path": "/dev/nvidia0", "hostPath": "/dev/null"},
                    {"path": f"/dev/nvidia-caps/nvidia-cap{part}", "hostPath": "/dev/null"},
                ]
            },
        }
        for part in (0, 1)
    ]
    return content


def test_a_sandbox_has_the_nodes_of_its_part(
    divided: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_SANDBOX_CDI", str(tmp_path))
    write(tmp_path, in_parts(tmp_path))
    found = find_gpus([])
    first, second, third, whole, _ = this_machine().devices

    for device in (first, second):
        assert found.of(device) == (
            GpuFile("/dev/nvidia0", "/dev/null"),
            GpuFile(f"/dev/nvidia-caps/nvidia-cap{device.part}", "/dev/null"),
        )
    assert found.of(third) == ()
    assert found.of(whole) == (GpuFile("/dev/nvidia1", "/dev/zero"),)


def test_in_sandboxes(
    pytester: pytest.Pytester,
    divided: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "cdi"
    folder.mkdir()
    monkeypatch.setenv("PYTEST_SANDBOX_CDI", str(folder))
    write(folder, in_parts(folder))
    pytester.makepyfile(
        """
        import pytest
        from pytest_sandbox import exceptions

        @pytest.mark.gpu("H100 MIG 1g.10gb")
        def test_it(sandbox, sandbox_factory, gpu):
            listed = "ls /dev/nvidia[0-9]* /dev/nvidia-caps/*; echo $CUDA_VISIBLE_DEVICES"
            assert sandbox.run("sh", "-c", listed).stdout.split() == [
                "/dev/nvidia-caps/nvidia-cap1", "/dev/nvidia0", gpu.uuid
            ]
            assert gpu.part == 1 and gpu.uuid.startswith("MIG-")
            with pytest.raises(exceptions.UnimplementedError, match="no GPU 0:2.*cdi generate"):
                sandbox_factory(gpu="MIG 1g.10gb")
        """
    )

    result = pytester.runpytest_subprocess()

    result.assert_outcomes(passed=1)
