"""What sandboxes with GPUs need: as a CDI specification says, or as it lies on the machine."""

import os
import shutil
from pathlib import Path

import pytest

from pytest_sandbox.gpus.machine import _FOUND
from pytest_sandbox.local.engine.gpus import driver_files
from pytest_sandbox.local.engine.gpus.found import FoundGpus, GpuFile
from pytest_sandbox.local.engine.gpus.machine_files import _shows, find_gpus
from pytest_sandbox.local.engine.machine.host_folder import HostFolder
from pytest_sandbox.local.probing import _gpus

from .conftest import FakeMachine
from .machines import specification, write


@pytest.fixture
def cdi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTEST_SANDBOX_CDI", f"/no/such/folder:{tmp_path}")
    return tmp_path


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"kind": "nvidia.com/gpu"}, "it is not as CDI describes it"),
        ({"kind": "nvidia.com/gpu", "devices": [{}]}, "it is not as CDI describes it"),
        ({"kind": "nvidia.com/gpu", "devices": []}, "names no single device"),
        ([], "it is no object"),
    ],
)
def test_a_specification_that_makes_no_sense(cdi: Path, content: object, words: str) -> None:
    write(cdi, content)

    assert words in find_gpus([]).missing
    assert "nvidia.json" in find_gpus([]).missing


@pytest.mark.parametrize(
    ("name", "text"), [("a.json", "{"), ("a.yaml", "a: [\n"), ("a.yml", "\t"), ("a.json", "\xff")]
)
def test_a_file_that_is_damaged(cdi: Path, name: str, text: str) -> None:
    (cdi / name).write_text(text, encoding="latin-1")

    assert f"{cdi}/{name}: " in find_gpus([]).missing


def test_what_doctor_says(cdi: Path, gpus: FakeMachine) -> None:
    write(cdi, specification(cdi))
    found = find_gpus([])

    (finding,) = _gpus(found)
    devices = "2 x NVIDIA H100 80GB HBM3, 1 x NVIDIA L4"
    assert (finding.ok, finding.detail) == (
        True,
        f"{devices}; for sandboxes: CDI, {cdi}/nvidia.json",
    )
    gpus.say("fail nvmlInitWithFlags 9")
    _FOUND.clear()
    (finding,) = _gpus(found)
    assert (finding.ok, finding.detail[:24]) == (False, "the driver is not loaded")
    write(cdi, [])
    (finding,) = _gpus(find_gpus([]))
    assert (finding.ok, finding.detail[-15:]) == (False, "it is no object")
    assert _gpus(FoundGpus(missing=f"{driver_files.NO_DRIVER}: it is not loaded")) == []


def test_yaml_is_what_json_is(cdi: Path) -> None:
    yaml = pytest.importorskip("yaml")
    write(cdi, specification(cdi))
    as_json = find_gpus([])
    (cdi / "nvidia.json").unlink()
    (cdi / "nvidia.yaml").write_text(yaml.safe_dump(specification(cdi)))
    as_yaml = find_gpus([])

    assert (as_yaml.files, as_yaml.env, as_yaml.links) == (
        as_json.files,
        as_json.env,
        as_json.links,
    )
    assert as_yaml.origin == f"CDI, {cdi}/nvidia.yaml"


def test_other_kinds_are_not_ours(cdi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_files, "_DRIVER", "/no/such/file")
    monkeypatch.setattr(driver_files, "_listed", lambda folder: ["/dev/null"])
    write(cdi, {"kind": "vendor.com/device", "devices": []})

    assert "no device nodes /dev/nvidia…: the driver is not loaded" in find_gpus([]).missing


def test_without_a_specification_the_lists_of_nvidia_container_cli_hold(
    cdi: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = cdi / "lib64"
    folder.mkdir()
    for name in ("libcuda.so", "libGLX_nvidia.so", "libnvidia-ml.so"):
        (folder / f"{name}.580").write_text("")
        (folder / f"{name}.1").symlink_to(f"{name}.580")
    ldconfig = cdi / "ldconfig"
    ldconfig.write_text(
        "#!/bin/sh\n"
        f"for each in {folder}/*.1; do\n"
        "  printf '\\t%s (libc6,x86-64) => %s\\n' ${each##*/} $each\n"
        "  printf '\\t%s (libc6) => %s\\n' ${each##*/} /usr/lib32/${each##*/}\ndone\n"
    )
    smi = cdi / "nvidia-smi"
    smi.write_text("")
    for program in (ldconfig, smi):
        program.chmod(0o755)
    found = {"ldconfig": str(ldconfig), "nvidia-smi": str(smi)}
    monkeypatch.setattr(shutil, "which", lambda name, path=None: found.get(name))
    names = ("nvidia0", "nvidia1", "nvidia-modeset", "nvidiactl", "null")
    monkeypatch.setattr(driver_files, "_listed", lambda folder: [f"{folder}/{n}" for n in names])

    gpus = find_gpus([])

    paths = {file.path for file in gpus.common}
    assert paths == {
        "/dev/nvidiactl",
        f"{folder}/libcuda.so.580",
        f"{folder}/libnvidia-ml.so.580",
        str(smi),
    }
    assert gpus.devices["/dev/nvidia1"] == (GpuFile("/dev/nvidia1", "/dev/nvidia1"),)
    assert gpus.links == {
        f"{folder}/{name}.1": f"{folder}/{name}.580" for name in ("libcuda.so", "libnvidia-ml.so")
    }
    assert gpus.env == {"LD_LIBRARY_PATH": str(folder)}
    # What shows anyhow is not mounted again.
    shown = find_gpus([HostFolder(str(cdi), str(cdi), "always")])
    assert {file.path for file in shown.common} == {"/dev/nvidiactl"}
    assert (shown.env, shown.links) == ({}, {})


def test_what_is_mounted_by_itself_does_not_show_in_an_overlay() -> None:
    """In a container that got a GPU, each library is a mount."""
    path = os.path.realpath("/usr/bin/env")
    file, root = GpuFile(path, path), HostFolder("/usr", "/usr", "always")

    assert _shows(file, [root], set())
    assert not _shows(file, [root], {path})
    assert _shows(file, [HostFolder("/usr", "/usr", "never")], {path})
    assert not _shows(file, [HostFolder("/usr", "/usr", "always", hidden=("bin",))], set())
    assert not _shows(GpuFile("/usr/bin/other", path), [root], set())
