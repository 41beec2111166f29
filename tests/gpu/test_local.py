"""GPUs in sandboxes of the local engine, on a machine that has none."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from pytest_sandbox._shared.gpus.requests import parse
from pytest_sandbox.engine import (
    Capability,
    Gpus,
    InvalidSpec,
    Output,
    ProcessSpec,
    Task,
    TaskSpec,
    Unsupported,
)
from pytest_sandbox.engine.conformance import CHECKS, Check
from pytest_sandbox.gpus import LeaseWanted, take_lease, this_machine
from pytest_sandbox.gpus.machine import _FOUND
from pytest_sandbox.local import LocalEngine, LocalOptions, Mode

from .conftest import H100, L4, FakeMachine, fake_machine
from .machines import specification, write

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def gpus(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeMachine]:
    """One machine for all tests; each gives back what it has."""
    with fake_machine(library, tmp_path_factory.mktemp("machine")) as fake:
        for name, memory in ((H100, 81559), (H100, 81559), (L4, 23034)):
            fake.add(name, memory)
        yield fake


@pytest.fixture(scope="module")
def cdi(gpus: FakeMachine) -> Iterator[Path]:
    folder = gpus.path.parent / "cdi"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_SANDBOX_CDI", str(folder))
        write(folder, specification(folder))
        yield folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started(cdi: Path) -> AsyncIterator[LocalEngine]:
    engine = LocalEngine(LocalOptions(gpu_wait=1))
    await engine.start()
    yield engine
    await engine.close()


@pytest_asyncio.fixture(loop_scope="module")
async def engine(started: LocalEngine) -> AsyncIterator[LocalEngine]:
    yield started
    for task in list(started.factory.zygote._tasks.values()):
        await task.kill()


async def out(task: Task, script: str) -> str:
    """What a script prints, to both streams."""
    process = await task.exec(ProcessSpec(("/bin/sh", "-c", script), stderr=Output.STDOUT))
    await process.close_stdin()
    return b"".join([chunk async for chunk in process.stdout.follow()]).decode().strip()


async def test_a_sandbox_has_the_devices_that_it_asks_for_and_no_others(
    engine: LocalEngine,
) -> None:
    one = await engine.create(TaskSpec(gpus=Gpus("L4")))
    two = await engine.create(TaskSpec(gpus=Gpus("H100", 2)))
    none = await engine.create(TaskSpec())

    assert await out(one, "nvidia-smi -L; ls /dev | grep nvidia") == (
        "GPU 2: simulated\nnvidia2\nnvidiactl"
    )
    assert await out(two, "nvidia-smi -L") == "GPU 0: simulated\nGPU 1: simulated"
    # They are those of the machine: the second one stands for zeros.
    assert await out(two, "head -c 2 /dev/nvidia1 | od -An -tx1") == "00 00"
    assert "not found" in await out(none, "nvidia-smi -L")
    assert await out(none, "ls /dev | grep nvidia") == ""


async def test_the_environment_names_them(engine: LocalEngine) -> None:
    one = await engine.create(TaskSpec(gpus=Gpus("L4")))
    none = await engine.create(TaskSpec())
    names = "$CUDA_VISIBLE_DEVICES $NVIDIA_VISIBLE_DEVICES $NVIDIA_DRIVER_CAPABILITIES $OF_CDI"
    uuid = this_machine().devices[2].uuid

    assert await out(one, f"echo {names}") == f"{uuid} {uuid} compute,utility 1"
    assert await out(none, f"echo {names}") == "void"


async def test_the_driver_is_there_and_what_is_for_display_is_not(engine: LocalEngine) -> None:
    task = await engine.create(TaskSpec(gpus=Gpus("L4")))

    assert await out(task, "ls /opt/driver/lib") == "libcuda.so.1\nlibcuda.so.580"
    assert await out(task, "cat /opt/driver/lib/libcuda.so.1; echo $LD_LIBRARY_PATH") == (
        "CUDA\n/opt/driver/lib"
    )
    assert await out(task, "ls -d /dev/nvidia-modeset /dev/dri /run/nvidia* 2>/dev/null") == ""
    assert "Read-only" in await out(task, "echo x > /opt/driver/lib/libcuda.so.580")


#: Ways to a device without a node of it: the second H100, which `/dev/zero` stands for.
WAYS = (
    "mknod {0}/mine c 1 5 && head -c 1 {0}/mine",
    "mount --bind /dev {0} && head -c 1 {0}/zero",
    "mount -t devtmpfs none {0} && head -c 1 {0}/zero",
)


async def test_a_hostile_sandbox_cannot_open_another_device(engine: LocalEngine) -> None:
    task = await engine.create(TaskSpec(gpus=Gpus("L4")))

    for script in (
        *(way.format("/mnt") for way in WAYS),
        "mknod /dev/nvidia1 c 1 5",
        "ls /proc/1/root/gpus",
        "unshare -Urm mknod /tmp/mine c 1 5",
    ):
        said = await out(task, script)
        assert "not permitted" in said or "ermission denied" in said, said
    assert "No such file" in await out(task, "cat /dev/nvidia1")


@needs_root
@pytest.mark.parametrize("way", WAYS)
async def test_outside_of_a_sandbox_the_way_leads_to_the_device(way: str, tmp_path: Path) -> None:
    command = ("unshare", "--mount", "sh", "-c", way.format(tmp_path))

    assert await asyncio.to_thread(subprocess.check_output, command) == b"\0"


async def test_devices_are_for_one_sandbox_at_a_time_and_come_back(engine: LocalEngine) -> None:
    one = await engine.create(TaskSpec(gpus=Gpus("L4"), name="first"))

    with pytest.raises(Unsupported, match=r"1 x L4.*GPU 2 \(NVIDIA L4\): sandbox first \(pid"):
        await engine.create(TaskSpec(gpus=Gpus("L4")))
    other = await engine.create(TaskSpec(gpus=Gpus("L4", 1, (Gpus("H100", 1),))))
    assert await out(other, "nvidia-smi -L") == "GPU 0: simulated"
    await one.kill()
    await engine.create(TaskSpec(gpus=Gpus("L4")))


async def test_those_that_a_test_has_leased(engine: LocalEngine) -> None:
    lease = take_lease(this_machine(), LeaseWanted(parse("H100"), "a test", memory=100))
    one = await engine.create(TaskSpec(gpus=Gpus(lease.name)))
    two = await engine.create(TaskSpec(gpus=Gpus(lease.name)))

    assert await out(one, "nvidia-smi -L") == await out(two, "nvidia-smi -L") != ""
    lease.release()
    with pytest.raises(InvalidSpec, match="nobody has a lease"):
        await engine.create(TaskSpec(gpus=Gpus(lease.name)))


async def test_snapshots_of_files_work_beside_gpus(engine: LocalEngine) -> None:
    task = await engine.create(TaskSpec(gpus=Gpus("L4")))
    await out(task, "echo kept > /srv/file")
    snapshot = await task.snapshot()

    assert await out(task, "nvidia-smi -L; cat /srv/file") == "GPU 2: simulated\nkept"
    copy = await engine.create(TaskSpec(image=snapshot, gpus=Gpus("H100")))
    assert await out(copy, "nvidia-smi -L; cat /srv/file") == "GPU 0: simulated\nkept"
    plain = await engine.create(TaskSpec(image=snapshot))
    # Nothing is left of what was mounted.
    assert await out(plain, "ls /dev | grep nvidia; ls /opt/driver/lib; cat /srv/file") == (
        "libcuda.so.1\nkept"
    )
    assert await out(copy, "ls -d /dev/nvidia[0-9]*") == "/dev/nvidia0"


async def test_a_hostile_image_leads_no_mount_astray(engine: LocalEngine) -> None:
    task = await engine.create(TaskSpec())
    await out(task, "ln -s /etc/passwd /dev/nvidia2")
    snapshot = await task.snapshot()

    with pytest.raises(Unsupported, match="/dev/nvidia2 cannot be mounted"):
        await engine.create(TaskSpec(image=snapshot, gpus=Gpus("L4")))
    await engine.create(TaskSpec(gpus=Gpus("L4")))  # it was given back


async def test_not_with_memory_snapshots(engine: LocalEngine) -> None:
    with pytest.raises(Unsupported, match="CRIU cannot dump a GPU's"):
        await engine.create(TaskSpec(gpus=Gpus("L4"), freezable=True))


@pytest.mark.parametrize(
    "check", [each for each in CHECKS if Capability.GPU in each.needs], ids=str
)
async def test_the_contract(check: Check, engine: LocalEngine) -> None:
    await check.run(engine)


MODES = [Mode.ROOT_IDENTITY, Mode.SUBORDINATE] if os.geteuid() == 0 else [Mode.SINGLE]


@pytest.mark.parametrize("mode", MODES)
async def test_other_modes(cdi: Path, mode: Mode) -> None:
    content = specification(cdi, smi="/opt/driver/bin/nvidia-smi")
    content["devices"][2]["containerEdits"]["deviceNodes"][0]["hostPath"] = "/dev/no-such-node"
    write(cdi, content)
    engine = LocalEngine(LocalOptions(mode=mode))
    info = await engine.start()
    task = await engine.create(TaskSpec(gpus=Gpus("H100", 2)))

    assert await out(task, "/opt/driver/bin/nvidia-smi; head -c 2 /dev/nvidia1 | wc -c") == (
        "GPU 0: simulated\nGPU 1: simulated\n2"
    )
    assert info.details["not for GPUs: /dev/nvidia2"] == "No such file or directory"
    with pytest.raises(Unsupported, match="/dev/nvidia2 of GPU 2"):
        await engine.create(TaskSpec(gpus=Gpus("L4")))
    await engine.close()


async def test_a_path_that_cannot_be_mounted_is_named(cdi: Path) -> None:
    write(cdi, specification(cdi, smi="/usr/bin/nvidia-smi"))
    engine = LocalEngine(LocalOptions(mode=Mode.SUBORDINATE))
    await engine.start()

    with pytest.raises(Unsupported, match=r"/usr/bin/nvidia-smi cannot be mounted: .*Read-only"):
        await engine.create(TaskSpec(gpus=Gpus("L4")))
    await engine.close()


async def test_a_driver_that_hangs(
    engine: LocalEngine, gpus: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus.say("hang nvmlDeviceGetCount_v2")
    monkeypatch.setenv("PYTEST_SANDBOX_NVML_TIMEOUT", "0.2")
    _FOUND.clear()
    try:
        with pytest.raises(Unsupported, match=r"did not answer nvmlDeviceGetCount within 0\.2 s"):
            await engine.create(TaskSpec(gpus=Gpus("L4")))
        await engine.create(TaskSpec())
    finally:
        gpus.unsay("hang")
        _FOUND.clear()


async def test_the_group_of_a_sandbox_allows_its_own_devices(engine: LocalEngine) -> None:
    """By version 1, if the machine has it; a sandbox without GPUs has no such group."""
    with_gpu = await engine.create(TaskSpec(gpus=Gpus("L4")))
    groups = [path for path in engine.factory.zygote.cgroups if "/devices/" in path]
    if not groups:
        pytest.skip("the engine cannot do this here: gpu devices by cgroups of version 1")
    lists = [
        each.read_text()
        for each in Path(groups[0], "sandboxes").glob("*/devices.list")  # noqa: ASYNC240
    ]

    assert any("c 1:7 rw" in each for each in lists)  # what stands for the L4
    assert not any("a *:*" in each for each in lists)
    assert await out(with_gpu, "echo > /dev/null; tty; mknod /tmp/p p; rm /usr/bin/env") == (
        "not a tty"
    )
