"""Tasks as messages, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._proto import engine_pb2 as pb
from pytest_sandbox.engine import (
    EndCause,
    Gpus,
    Limits,
    MemorySnapshot,
    Requests,
    TaskEnd,
    TaskLost,
    TaskSpec,
    VolumeMount,
)

from .images import name_from_wire, root_image_from_wire, root_image_to_wire
from .malformed import Malformed
from .networks import membership_from_wire, membership_to_wire, network_from_wire, network_to_wire
from .processes import process_from_wire, process_to_wire, status_from_wire, status_to_wire
from .texts import (
    add_variables,
    message_from_wire,
    message_to_wire,
    text_from_wire,
    text_to_wire,
    variables_from_wire,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from pytest_sandbox.engine import OciImage

#: What else will do for GPUs, at most, and how deep.
_MOST_OTHERWISE = 100

_CAUSES: Final[dict[EndCause, pb.TaskEnd.Cause]] = {
    EndCause.EXITED: pb.TaskEnd.EXITED,
    EndCause.KILLED: pb.TaskEnd.KILLED,
    EndCause.OUT_OF_MEMORY: pb.TaskEnd.OUT_OF_MEMORY,
    EndCause.LOST: pb.TaskEnd.LOST,
}
_BY_NUMBER = {number: cause for cause, number in _CAUSES.items()}


def task_to_wire(spec: TaskSpec) -> pb.TaskSpec:
    """A task to create, but for a project, which is on this machine.

    Raises:
        TypeError, ValueError: no message can have this.
    """
    message = pb.TaskSpec(
        image=root_image_to_wire(spec.image),
        hostname=text_to_wire(spec.hostname),
        limits=_limits_to_wire(spec.limits),
        requests=_requests_to_wire(spec.requests),
        freezable=spec.freezable,
        exit_snapshot=spec.exit_snapshot,
        name=text_to_wire(spec.name),
        groups=sorted(map(text_to_wire, spec.groups)),
    )
    add_variables(message.env, spec.env)
    add_variables(message.tags, spec.tags)
    if spec.main is not None:
        message.main.CopyFrom(process_to_wire(spec.main))
    if spec.workdir is not None:
        message.workdir = text_to_wire(spec.workdir)
    for volume in spec.volumes:
        message.volumes.add(
            volume=text_to_wire(volume.volume),
            path=text_to_wire(volume.path),
            read_only=volume.read_only,
            sub_path=text_to_wire(volume.sub_path),
        )
    if spec.gpus is not None:
        message.gpus.CopyFrom(_gpus_to_wire(spec.gpus))
    if spec.network is not None:
        message.network.CopyFrom(network_to_wire(spec.network))
    if spec.membership is not None:
        message.membership.CopyFrom(membership_to_wire(spec.membership))
    if spec.resume is not None:
        message.resume = text_to_wire(spec.resume.name)
    return message


def task_from_wire(message: pb.TaskSpec, known: Callable[[pb.OciImage], OciImage]) -> TaskSpec:
    """A task to create; whether it can be created, the engine says.

    Args:
        message: of it.
        known: finds an image of a registry.

    Raises:
        Malformed: it is none.
    """
    has = message.HasField
    volumes = tuple(
        VolumeMount(
            text_from_wire(volume.volume),
            text_from_wire(volume.path),
            volume.read_only,
            text_from_wire(volume.sub_path),
        )
        for volume in message.volumes
    )
    return TaskSpec(
        main=process_from_wire(message.main) if has("main") else None,
        image=root_image_from_wire(message.image, known),
        env=variables_from_wire(message.env),
        workdir=text_from_wire(message.workdir) if has("workdir") else None,
        hostname=text_from_wire(message.hostname),
        limits=_limits_from_wire(message.limits),
        requests=_requests_from_wire(message.requests),
        volumes=volumes,
        gpus=_gpus_from_wire(message.gpus) if has("gpus") else None,
        network=network_from_wire(message.network) if has("network") else None,
        membership=membership_from_wire(message.membership) if has("membership") else None,
        freezable=message.freezable,
        exit_snapshot=message.exit_snapshot,
        resume=MemorySnapshot(name_from_wire(message.resume)) if has("resume") else None,
        name=text_from_wire(message.name),
        tags=variables_from_wire(message.tags),
        groups=frozenset(map(text_from_wire, message.groups)),
    )


def _limits_to_wire(limits: Limits) -> pb.Limits:
    return pb.Limits(cpus=limits.cpus, memory=limits.memory, processes=limits.processes)


def _limits_from_wire(message: pb.Limits) -> Limits:
    has = message.HasField
    return Limits(
        message.cpus if has("cpus") else None,
        message.memory if has("memory") else None,
        message.processes if has("processes") else None,
    )


def _requests_to_wire(requests: Requests) -> pb.Requests:
    return pb.Requests(cpus=requests.cpus, memory=requests.memory)


def _requests_from_wire(message: pb.Requests) -> Requests:
    has = message.HasField
    return Requests(
        message.cpus if has("cpus") else None,
        message.memory if has("memory") else None,
    )


def _gpus_to_wire(gpus: Gpus) -> pb.Gpus:
    return pb.Gpus(
        kind=text_to_wire(gpus.kind),
        count=gpus.count,
        otherwise=[_gpus_to_wire(each) for each in gpus.otherwise],
    )


def _gpus_from_wire(message: pb.Gpus, *, deeper: bool = True) -> Gpus:
    otherwise = message.otherwise
    if len(otherwise) > _MOST_OTHERWISE or (otherwise and not deeper):
        raise Malformed("there are too many GPUs that will do as well")
    return Gpus(
        text_from_wire(message.kind),
        message.count,
        tuple(_gpus_from_wire(each, deeper=False) for each in otherwise),
    )


def end_to_wire(end: TaskEnd) -> pb.TaskEnd:
    """How a task ended."""
    return pb.TaskEnd(
        cause=_CAUSES[end.cause],
        status=None if end.status is None else status_to_wire(end.status),
        detail=message_to_wire(end.detail),
        lost=end.lost is not None,
    )


def end_from_wire(message: pb.TaskEnd) -> TaskEnd:
    """How a task ended.

    Raises:
        Malformed: in no way.
    """
    cause = _BY_NUMBER.get(message.cause)
    if cause is None:
        raise Malformed(f"a task ended for a reason that there is not: {message.cause}")
    status = status_from_wire(message.status) if message.HasField("status") else None
    detail = message_from_wire(message.detail)
    return TaskEnd(cause, status, detail, TaskLost(detail) if message.lost else None)
