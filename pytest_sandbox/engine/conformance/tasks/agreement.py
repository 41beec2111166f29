"""Capabilities and abilities agree: what an engine says it can do, its classes have the calls for.

The other direction is in the checks of what an engine refuses.
"""

from ... import (
    Ability,
    Capability,
    Engine,
    SupportsExitSnapshots,
    SupportsForget,
    SupportsImages,
    SupportsMemorySnapshots,
    SupportsMounts,
    SupportsNetworkChange,
    SupportsNetworkLog,
    SupportsPorts,
    SupportsSidecars,
    SupportsSnapshots,
    SupportsVolumes,
    Task,
)
from ..check import requires
from ..support import a_task


def has(thing: Task | Engine, *abilities: type[Ability]) -> None:
    """Fail unless a task or an engine has all these abilities."""
    missing = [ability.__name__ for ability in abilities if not isinstance(thing, ability)]
    assert not missing, f"{type(thing).__name__} does not derive from {', '.join(missing)}"


@requires(Capability.SNAPSHOT)
async def check_snapshots_have_calls(engine: Engine) -> None:
    """An engine with `SNAPSHOT` can forget; its tasks have all snapshots, and mounts."""
    has(engine, SupportsForget)
    async with a_task(engine) as task:
        has(task, SupportsSnapshots, SupportsExitSnapshots, SupportsMounts)


@requires(Capability.MEMORY_SNAPSHOT)
async def check_memory_snapshots_have_calls(engine: Engine) -> None:
    """An engine with `MEMORY_SNAPSHOT` can forget; its tasks support memory snapshots."""
    has(engine, SupportsForget)
    async with a_task(engine) as task:
        has(task, SupportsMemorySnapshots)


@requires(Capability.PORT)
async def check_ports_have_calls(engine: Engine) -> None:
    """The tasks of an engine with `PORT` support connections to ports."""
    async with a_task(engine) as task:
        has(task, SupportsPorts)


@requires(Capability.NETWORK)
async def check_networks_have_calls(engine: Engine) -> None:
    """The tasks of an engine with `NETWORK` tell their connections, and take another one."""
    async with a_task(engine) as task:
        has(task, SupportsNetworkLog, SupportsNetworkChange)


@requires(Capability.SANDBOX_NETWORK)
async def check_sandbox_networks_have_calls(engine: Engine) -> None:
    """The tasks of an engine with `SANDBOX_NETWORK` join networks, and have others beside them."""
    async with a_task(engine) as task:
        has(task, SupportsSidecars)


@requires(Capability.IMAGE)
async def check_images_have_calls(engine: Engine) -> None:
    """An engine with `IMAGE` can unpack images."""
    has(engine, SupportsImages)


@requires(Capability.VOLUME)
async def check_volumes_have_calls(engine: Engine) -> None:
    """An engine with `VOLUME` can forget volumes."""
    has(engine, SupportsVolumes)
