"""Turns the definition of a sandbox on the wire into the specification for an engine.

Every field is either honoured, or refused by the name that its argument has in Modal's
`Sandbox.create`; see `refused`, which lists the few that are ignored too, with the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grpclib import GRPCError, Status

from pytest_sandbox.engine import (
    Capability,
    EngineInfo,
    Limits,
    ProcessSpec,
    Requests,
    TaskSpec,
    VolumeMount,
)

from ..model.checks import (
    check_command,
    check_environment,
    check_workdir,
    pty_environment,
    pty_size,
)
from ..model.readiness import check_probe
from ..networks.network import inbound_networks, network
from ..rpc.errors import invalid, unimplemented
from .experimental import wants_exit_snapshot
from .gpus import gpus
from .placement import check_placement
from .ports import check_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_sandbox._proto import sandboxes_pb2 as pb

    from ..model.images import ImageRecord
    from ..model.volumes import VolumeRegistry

#: What Modal's clients send when the caller says nothing.
DEFAULT_TIMEOUT = 300

_MIB = 1024 * 1024


def task_spec(
    definition: pb.Sandbox,
    image: ImageRecord,
    secrets: Mapping[str, str],
    volumes: Callable[[], VolumeRegistry],
    tags: Mapping[str, str],
    info: EngineInfo,
) -> TaskSpec:
    """The specification of a sandbox for the engine.

    Args:
        definition: what the client asks for.
        image: of its files.
        secrets: variables.
        volumes: gives the volumes that there are.
        tags: name to value.
        info: what the engine can do.

    Raises:
        GRPCError: FAILED_PRECONDITION, INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED or
            UNIMPLEMENTED.
    """
    check_placement(definition)
    check_ports(definition, info)
    check_probe(definition, info)
    inbound_networks(definition)
    workdir = definition.workdir or image.workdir
    check_workdir(workdir)
    env = {**image.env, **secrets, **definition.environment_variables.contents}
    argv = (*image.entrypoint, *(definition.entrypoint_args or image.cmd))
    check_environment(env.items())
    return TaskSpec(
        main=_main(argv, definition.pty_info, env),
        image=image.root_image(),
        env=env,
        workdir=workdir,
        limits=_limits(definition.resources, info),
        requests=_requests(definition.resources, info),
        volumes=_volume_mounts(definition, volumes, info),
        project=image.project,
        gpus=gpus(definition.resources.gpu_config, info),
        network=network(definition, info),
        freezable=definition.enable_snapshot,
        exit_snapshot=wants_exit_snapshot(definition, info),
        name=definition.name,
        tags=tags,
    )


def _volume_mounts(
    definition: pb.Sandbox, volumes: Callable[[], VolumeRegistry], info: EngineInfo
) -> tuple[VolumeMount, ...]:
    if not definition.volume_mounts:
        return ()
    return volumes().mounts(definition.volume_mounts, info)


def _main(argv: tuple[str, ...], info: pb.PTYInfo, env: Mapping[str, str]) -> ProcessSpec | None:
    """The main process; `None` for the default command of Modal's images, which only sleeps."""
    if not argv or argv == ("sleep", "172800"):
        return None
    check_command(argv)
    pty = pty_size(info)
    # Variables of the caller win over those of the terminal.
    return ProcessSpec(argv, env={**pty_environment(info), **env} if pty else {}, pty=pty)


def _limits(resources: pb.Resources, info: EngineInfo) -> Limits:
    """The limits, which the engine enforces."""
    _check_order("cpu", resources.milli_cpu, resources.milli_cpu_max)
    _check_order("memory", resources.memory_mb, resources.memory_mb_max)
    if resources.milli_cpu_max:
        _check_capable("cpu", Capability.CPU_LIMIT, info)
    if resources.memory_mb_max:
        _check_capable("memory", Capability.MEMORY_LIMIT, info)
    return Limits(
        cpus=resources.milli_cpu_max / 1000 or None,
        memory=resources.memory_mb_max * _MIB or None,
    )


def _requests(resources: pb.Resources, info: EngineInfo) -> Requests:
    """The requests, which have to fit the machine that the sandbox is to be on."""
    memory = None if info.memory is None else info.memory // _MIB
    _check_fits("cpu", resources.milli_cpu / 1000, info.processors, "processors")
    _check_fits("memory", resources.memory_mb, memory, "MiB")
    return Requests(
        cpus=resources.milli_cpu / 1000 or None,
        memory=resources.memory_mb * _MIB or None,
    )


def _check_fits(argument: str, asked: float, there: float | None, unit: str) -> None:
    if there is not None and asked > there:
        raise GRPCError(
            Status.RESOURCE_EXHAUSTED,
            f"{argument}={asked:g} asks for more than the machine has: {there:g} {unit}",
        )


def _check_order(argument: str, request: int, limit: int) -> None:
    if limit and limit < request:
        raise invalid(f"{argument}: the limit {limit} is below the request {request}")


def _check_capable(argument: str, capability: Capability, info: EngineInfo) -> None:
    if capability not in info.capabilities:
        raise unimplemented(
            f"{argument}=(request, limit): the engine {info.name!r} has no {capability.value} on "
            f"this machine ({info.mode}); give a request only"
        )
