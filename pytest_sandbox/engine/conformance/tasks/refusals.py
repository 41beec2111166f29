"""Checks that an engine refuses by name what it does not have; nothing is ignored."""

from ... import (
    Capability,
    Engine,
    Gpus,
    Membership,
    MemorySnapshot,
    Network,
    ProcessSpec,
    PtySize,
    Snapshot,
    TaskSpec,
    Unsupported,
    VolumeMount,
)
from ..calls import (
    connect,
    load,
    mount,
    snapshot,
    snapshot_directory,
    snapshot_memory,
    unmount,
)
from ..check import lacking
from ..snapshots.export import exported
from ..support import a_task, chunks, equal, raises, sh


@lacking(Capability.PTY)
async def check_no_terminals(engine: Engine) -> None:
    """An engine without terminals refuses them."""
    async with a_task(engine) as task:
        call = task.exec(ProcessSpec(("true",), pty=PtySize()))
        await raises(Unsupported, call, "exec on a terminal")


@lacking(Capability.SNAPSHOT)
async def check_no_snapshots(engine: Engine) -> None:
    """An engine without snapshots refuses to take, mount and load them; the task continues."""
    async with a_task(engine) as task:
        for what, call in (
            ("snapshot", lambda: snapshot(task)),
            ("snapshot(end=True)", lambda: snapshot(task, end=True)),
            ("snapshot_directory", lambda: snapshot_directory(task, "/srv")),
            ("mount", lambda: mount(task, "/srv", None)),
            ("unmount", lambda: unmount(task, "/srv")),
            ("export", lambda: exported(engine, Snapshot("snapshot"))),
            ("load", lambda: load(engine, chunks(b"x"))),
        ):
            await raises(Unsupported, call(), what)
        equal(await sh(task, "echo fine"), b"fine\n", "the task afterwards")


@lacking(Capability.MEMORY_SNAPSHOT)
async def check_no_memory_snapshots(engine: Engine) -> None:
    """An engine without memory snapshots refuses tasks that are freezable or resume."""
    async with a_task(engine) as task:
        await raises(Unsupported, snapshot_memory(task), "snapshot_memory")
    call = engine.create(TaskSpec(freezable=True))
    await raises(Unsupported, call, "create of a task that can be frozen")
    call = engine.create(TaskSpec(resume=MemorySnapshot("snapshot")))
    await raises(Unsupported, call, "create of a task that resumes")


@lacking(Capability.PORT)
async def check_no_ports(engine: Engine) -> None:
    """An engine that cannot connect to ports refuses connections."""
    async with a_task(engine) as task:
        await raises(Unsupported, connect(task, 80), "connect")


@lacking(Capability.NETWORK)
async def check_no_networks(engine: Engine) -> None:
    """An engine without networks refuses tasks with one."""
    await raises(Unsupported, engine.create(TaskSpec(network=Network())), "create with a network")


@lacking(Capability.SANDBOX_NETWORK)
async def check_no_networks_of_tasks(engine: Engine) -> None:
    """An engine whose tasks cannot see each other refuses those that ask for it."""
    spec = TaskSpec(membership=Membership("network"))
    await raises(Unsupported, engine.create(spec), "create in a network of tasks")


@lacking(Capability.VOLUME)
async def check_no_volumes(engine: Engine) -> None:
    """An engine without volumes refuses tasks with one."""
    spec = TaskSpec(volumes=(VolumeMount("volume", "/vol"),))
    await raises(Unsupported, engine.create(spec), "create with a volume")


@lacking(Capability.PROJECT)
async def check_no_project(engine: Engine) -> None:
    """An engine without a project refuses tasks that ask for it."""
    await raises(Unsupported, engine.create(TaskSpec(project=True)), "create with the project")


@lacking(Capability.GPU)
async def check_no_gpus(engine: Engine) -> None:
    """An engine without GPUs refuses tasks with one."""
    await raises(Unsupported, engine.create(TaskSpec(gpus=Gpus())), "create with a GPU")
