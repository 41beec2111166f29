"""Refuses tasks and processes that no engine could run; the message shows the value."""

from __future__ import annotations

import ipaddress
import math
import re
import sys
from typing import TYPE_CHECKING

from pytest_sandbox._shared.checks import is_absolute_path, is_text, is_variable_name
from pytest_sandbox._shared.network.aliases import problem_with_alias
from pytest_sandbox._shared.network.cidrs import parse_cidr
from pytest_sandbox._shared.network.domains import is_pattern, problem_with_pattern
from pytest_sandbox._shared.network.faults import OF_NAMES, is_address, is_host

from ._errors import InvalidSpec
from ._spec import (
    SANDBOX_NETWORK_RANGE,
    Limits,
    Membership,
    Network,
    Output,
    ProcessSpec,
    Requests,
    TaskSpec,
    VolumeMount,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._network import ConnectionFault

#: The kernel's own bounds: `CONFIG_NR_CPUS` at most, bytes in a signed long, `PID_MAX_LIMIT`.
_MOST_CPUS, _MOST_MEMORY, _MOST_PROCESSES = 8192, 2**63 - 1, 2**22
#: As many networks as one task may name.
_MOST_NETWORKS = 1000
#: As many names as one task may have in a network of tasks.
_MOST_ALIASES = 20
_MEMBERS = ipaddress.IPv4Network(SANDBOX_NETWORK_RANGE)
#: No process fits into less.
_LEAST_MEMORY = 1 << 20
_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?")


def check_task(spec: TaskSpec) -> None:
    """Refuse an impossible task.

    Raises:
        InvalidSpec: no engine could run it.
    """
    if not _HOSTNAME.fullmatch(spec.hostname):
        raise InvalidSpec(
            f"hostname {spec.hostname!r}: use 1 to 64 letters, digits, dots and dashes"
        )
    _check_env(spec.env)
    _check_workdir(spec.workdir)
    _check_limits(spec.limits)
    _check_requests(spec.requests)
    _check_volumes(spec.volumes)
    if spec.gpus is not None:
        for gpus in (spec.gpus, *spec.gpus.otherwise):
            if gpus.count < 1:
                raise InvalidSpec(f"gpus: count must be at least 1, got {gpus.count!r}")
    if spec.membership is not None:
        check_membership(spec.membership)
    if spec.network is not None:
        check_network(spec.network, member=spec.membership is not None)
    if spec.main is not None:
        check_process(spec.main)


#: The largest id, which means "none": chown(2).
_NO_ID = 2**32 - 1


def check_process(spec: ProcessSpec) -> None:
    """Refuse an impossible process.

    Raises:
        InvalidSpec: no engine could run it.
    """
    if not spec.argv or not spec.argv[0]:
        raise InvalidSpec(f"argv {spec.argv!r} has no command")
    for argument in spec.argv:
        if not is_text(argument):
            raise InvalidSpec(f"argument {argument!r} must be a string without NUL")
    _check_env(spec.env)
    _check_workdir(spec.workdir)
    if spec.stdout is Output.STDOUT:
        raise InvalidSpec("only stderr can be merged into stdout, not stdout itself")
    if spec.pty is not None:
        for name, size in (("rows", spec.pty.rows), ("columns", spec.pty.columns)):
            if not 0 < size < 65536:
                raise InvalidSpec(f"a terminal cannot have {size!r} {name}")
    if spec.user is not None:
        ids = (spec.user.uid, spec.user.gid, *spec.user.groups)
        wrong = next((each for each in ids if not 0 <= each < _NO_ID), None)
        if wrong is not None:
            raise InvalidSpec(f"{wrong!r} is no id of a user or a group")


def _check_env(env: Mapping[str, str]) -> None:
    for name, value in env.items():
        if not is_variable_name(name):
            raise InvalidSpec(f"{name!r} cannot be the name of an environment variable")
        if not is_text(value):
            raise InvalidSpec(f"environment variable {name!r}: {value!r} must be text without NUL")


def _check_workdir(workdir: str | None) -> None:
    if workdir is not None and not is_absolute_path(workdir):
        raise InvalidSpec(f"working directory {workdir!r} must be an absolute path")


def _check_volumes(volumes: tuple[VolumeMount, ...]) -> None:
    for volume in volumes:
        parts = volume.path.split("/")[1:]
        if not is_absolute_path(volume.path) or {"", ".", ".."} & set(parts):
            raise InvalidSpec(
                f"volume {volume.volume!r}: {volume.path!r} must be absolute, without . and .."
            )
        names = volume.sub_path.split("/") if volume.sub_path else []
        if "\0" in volume.sub_path or {"", ".", ".."} & set(names):
            raise InvalidSpec(
                f"volume {volume.volume!r}: sub_path {volume.sub_path!r} must be relative, "
                "without . and .."
            )
    paths = [volume.path for volume in volumes]
    for path in paths:
        if paths.count(path) > 1:
            raise InvalidSpec(f"two volumes have the same path {path!r}")


def check_membership(membership: Membership) -> None:
    """Refuse an impossible membership.

    Raises:
        InvalidSpec: it makes no sense.
    """
    if not is_text(membership.network) or not membership.network:
        raise InvalidSpec(f"{membership.network!r} cannot be a network of sandboxes: it is no text")
    if len(membership.aliases) > _MOST_ALIASES:
        raise InvalidSpec(f"{len(membership.aliases)} aliases, a task may have {_MOST_ALIASES}")
    for alias in membership.aliases:
        if wrong := problem_with_alias(alias):
            raise InvalidSpec(f"alias {alias!r} {wrong}")


def check_network(network: Network, *, member: bool = False) -> None:
    """Refuse an impossible network.

    Args:
        network: the network.
        member: whether it is that of a task with a `Membership`, for which some addresses stand for
            other tasks.

    Raises:
        InvalidSpec: it makes no sense.
    """
    count = len(network.cidrs) + len(network.domains)
    if count > _MOST_NETWORKS:
        raise InvalidSpec(f"{count} networks and domains, a task may name {_MOST_NETWORKS}")
    for text in network.cidrs:
        try:
            cidr = parse_cidr(text)
        except ValueError as error:
            raise InvalidSpec(str(error)) from None
        if member and cidr.version == 4 and cidr.subnet_of(_MEMBERS):
            raise InvalidSpec(
                f"network {text!r} cannot be reached by a sandbox that is in a network of "
                f"sandboxes: addresses in {SANDBOX_NETWORK_RANGE} stand for these"
            )
    for domain in network.domains:
        if problem := problem_with_pattern(domain):
            raise InvalidSpec(problem)


def check_connection_fault(fault: ConnectionFault) -> None:
    """Refuse an impossible fault.

    Raises:
        InvalidSpec: it makes no sense.
    """
    if not is_host(fault.host):
        raise InvalidSpec(
            f"Invalid host: {fault.host!r}: it must be a name, '*.' and a name, an address, a "
            "network, or '*'"
        )
    of_names = fault.effect in OF_NAMES
    is_name = is_pattern(fault.host) and not is_address(fault.host)
    if of_names and (not is_name or fault.port or fault.delay):
        raise InvalidSpec(f"{fault.effect!r} is for names, without a port and a delay: {fault}")
    for address in fault.addresses:
        if not is_address(address):
            raise InvalidSpec(f"Invalid address: {address!r}")
    if not 0 <= fault.port < 65536:
        raise InvalidSpec(f"port {fault.port!r} is not a number from 1 to 65535")
    if not (0 <= fault.delay < math.inf and fault.after_bytes >= 0):
        raise InvalidSpec(f"a delay and a number of bytes are finite and not negative: {fault}")


def _check_limits(limits: Limits) -> None:
    for name, value in (("cpus", limits.cpus), ("memory", limits.memory)):
        if value is not None and not 0 < value < math.inf:
            raise InvalidSpec(f"limit {name}={value!r} must be a number above 0")
    for name, value, most in (
        ("cpus", limits.cpus, _MOST_CPUS),
        ("memory", limits.memory, _MOST_MEMORY),
        ("processes", limits.processes, _MOST_PROCESSES),
    ):
        if value is not None and value > most:
            raise InvalidSpec(f"limit {name}={value!r} must be at most {most}")
    if limits.memory is not None and limits.memory < _LEAST_MEMORY:
        raise InvalidSpec(f"limit memory={limits.memory!r} must be at least {_LEAST_MEMORY} bytes")
    if limits.processes is not None and limits.processes < 1:
        raise InvalidSpec(f"limit processes={limits.processes!r} must be at least 1")


def _check_requests(requests: Requests) -> None:
    for name, value, most in (
        ("cpus", requests.cpus, sys.float_info.max),
        ("memory", requests.memory, _MOST_MEMORY),
    ):
        if value is not None and not 0 < value <= most:
            raise InvalidSpec(f"request {name}={value!r} must be above 0, and at most {most:g}")
