"""What an engine and its machine are, as a message, and back."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_sandbox._proto import engine_pb2 as pb
from pytest_sandbox.engine import Capability, EngineInfo

from .networks import network_from_wire, network_to_wire
from .texts import (
    add_variables,
    message_from_wire,
    message_to_wire,
    text_from_wire,
    text_to_wire,
    variables_from_wire,
)

_CAPABILITIES = {capability.value: capability for capability in Capability}


@dataclass(frozen=True)
class FarMachine:
    """What a machine is, for people.

    Attributes:
        host: its name.
        processors: that the engine may use.
        memory: bytes.
        gpus: the kinds of its GPUs, one for each.
    """

    host: str
    processors: int
    memory: int
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True)
class FarInfo:
    """What an engine on another machine says when it has started.

    Attributes:
        info: of the engine, as it says it there.
        machine: its machine.
        packages: whether its machine has packages of Debian.
        left_out: settings of their manager that no task sees.
    """

    info: EngineInfo
    machine: FarMachine
    packages: bool = False
    left_out: tuple[str, ...] = ()


def info_to_wire(far: FarInfo) -> pb.StartReply:
    """What an engine and its machine are, but for a project, which is of that machine."""
    info, machine = far.info, far.machine
    reply = pb.StartReply(
        name=info.name,
        mode=message_to_wire(info.mode),
        capabilities=sorted(capability.value for capability in info.capabilities),
        fingerprint=text_to_wire(info.fingerprint),
        network=None if info.network is None else network_to_wire(info.network),
        one_image=info.one_image,
        search_path=text_to_wire(info.search_path),
        packages=far.packages,
        packages_left_out=map(text_to_wire, far.left_out),
        machine=pb.Machine(
            host=message_to_wire(machine.host),
            processors=machine.processors,
            memory=machine.memory,
            gpus=map(message_to_wire, machine.gpus),
        ),
        processors=info.processors,
        memory=info.memory,
    )
    add_variables(reply.details, info.details)
    return reply


def info_from_wire(reply: pb.StartReply) -> FarInfo:
    """What an engine and its machine are; capabilities that are not known here are left out."""
    known = (_CAPABILITIES.get(value) for value in reply.capabilities)
    info = EngineInfo(
        name=reply.name,
        mode=message_from_wire(reply.mode),
        capabilities=frozenset(filter(None, known)),
        details=variables_from_wire(reply.details),
        fingerprint=text_from_wire(reply.fingerprint),
        network=network_from_wire(reply.network) if reply.HasField("network") else None,
        one_image=reply.one_image,
        search_path=text_from_wire(reply.search_path),
        processors=reply.processors if reply.HasField("processors") else None,
        memory=reply.memory if reply.HasField("memory") else None,
    )
    machine = FarMachine(
        message_from_wire(reply.machine.host),
        reply.machine.processors,
        reply.machine.memory,
        tuple(map(message_from_wire, reply.machine.gpus)),
    )
    left_out = tuple(map(text_from_wire, reply.packages_left_out))
    return FarInfo(info, machine, reply.packages, left_out)
