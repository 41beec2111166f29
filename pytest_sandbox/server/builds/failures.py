"""Steps of builds that failed: what is said about them."""

import re
from collections.abc import Iterator

from grpclib import GRPCError

from pytest_sandbox._shared.network.unreached import UNREACHED
from pytest_sandbox.engine import (
    Capability,
    ConnectionRecord,
    EngineInfo,
    ExitStatus,
    Network,
    SupportsNetworkLog,
    Task,
)

from ..rpc.errors import unimplemented

#: What the step says that takes uv from the image instead, if it is not there.
NO_UV = (
    "this step needs uv, which the image does not have: install it on this machine, in the Python "
    "environment that runs the tests (pip install uv), or use pip_install"
)
#: Bytes of the output of a step, the last ones, and connections, that a failure shows.
_SHOWN_OUTPUT = 4096
_SHOWN_CONNECTIONS = 5
_OPEN = (
    "--sandbox-network=open (sandbox_network = open in the ini file), or pytest-sandbox serve with "
    "--engine-option network=open"
)
#: What failures are known by, and what to do about them.
_KNOWN = {
    rb"/var/lib/dpkg.*No such file or directory": (
        "the view of this machine gets its package database by a line that names apt-get or dpkg: "
        "put RUN apt-get update before this one"
    ),
    rb"apt-get: (command )?not found": (
        "the image has no apt-get, and the view of this machine has one on Debian and Ubuntu only. "
        "Debian's own image, from a registry, has it: FROM debian:12 with the alias "
        "debian:12 = debian:12 (sandbox_image_aliases)"
    ),
    rb"this sandbox has no user": (
        "cat /proc/self/uid_map in a sandbox shows which ids it has: mostly 0 to 65535 where root "
        "runs the engine. That of an ordinary user has more than 0 if newuidmap is installed "
        "(package uidmap) and /etc/subuid has a line for the user; pytest-sandbox doctor says more"
    ),
    rb"No space left on device": (
        "a step may write as much as one sandbox: the engine option disk says how many bytes "
        "that are (--sandbox-engine-option disk=..., pytest-sandbox serve --engine-option disk=...)"
    ),
    rb"dpkg.*\n?.*Read-only file system": (
        "packages of Debian can be installed in the view of this machine by root only: run as "
        "root, install them on this machine, or build on an image of a registry"
    ),
    rb"Read-only file system": (
        "in the view of this machine, only root can change /usr: put programs elsewhere, such as "
        "into /app, with ENV PATH=/app:$PATH; in images of registries, all can be changed"
    ),
    re.escape(NO_UV).encode(): "",
}
#: What apt-get says of packages that are in no list, or no longer where the list says; and pip of
#: those that no index has, which is all that it says if it does not try again.
_NOT_IN_LISTS = re.compile(
    rb"Unable to locate package|has no installation candidate|404  Not Found"
)
_NOT_IN_INDEX = re.compile(rb"No matching distribution found")
_OTHER_LISTS = (
    "apt-get update got no list of packages with this one, or it is long ago: its output is in the "
    "log of the build, and force_build=True does it again"
)


class StepFailed(Exception):
    """A step of a build failed; the message is for the user."""

    @classmethod
    def of_command(cls, line: str, status: ExitStatus, output: bytes, hint: str) -> "StepFailed":
        """The failure of a step that ran a command.

        Args:
            line: of the definition.
            status: how the command ended.
            output: what it printed.
            hint: what to do about it; may be empty.
        """
        how = f"signal {status.signal}" if status.code is None else f"exit code {status.code}"
        shown = output[-_SHOWN_OUTPUT:].decode("utf-8", "replace").strip()
        if len(output) > _SHOWN_OUTPUT:
            shown = f"[... the output before is in the log of the build ...]\n{shown}"
        parts = [line, f"ended with {how}:", shown or "(it printed nothing)", hint]
        return cls("\n".join(part for part in parts if part))

    @classmethod
    def of_files(cls, line: str, reason: str) -> "StepFailed":
        """The failure of a step without a command, or of what was needed for one."""
        parts = [line, reason, advice(reason.encode("utf-8", "replace"))]
        return cls("\n".join(part for part in parts if part))


def advice(output: bytes) -> str | None:
    """What to do about a failure that is known by its output; `None` for others."""
    return next((hint for sign, hint in _KNOWN.items() if re.search(sign, output)), None)


async def connection_log(task: Task) -> list[ConnectionRecord]:
    """The connections of a step, while its task still runs."""
    if not isinstance(task, SupportsNetworkLog):
        return []
    return list((await task.network_log()).records)


def has_network(info: EngineInfo) -> bool:
    """Whether steps have a network, as far as the run decides it."""
    return Capability.NETWORK in info.capabilities and info.network not in (None, Network())


def network_advice(connections: list[ConnectionRecord], info: EngineInfo, output: bytes) -> str:
    """What kept a step from the network, and what would allow it; empty if nothing did.

    Args:
        connections: of the step.
        info: of the engine.
        output: what the step printed.
    """
    if Capability.NETWORK in info.capabilities and info.network in (None, Network()):
        if not any(sign.search(output) for sign in (UNREACHED, _NOT_IN_LISTS, _NOT_IN_INDEX)):
            return ""
        return f"the step had no network, as the run has none: if it needs one, run with {_OPEN}"
    lines = [*_lines([each for each in connections if each.verdict == "denied"])]
    if _NOT_IN_LISTS.search(output):
        lines.append(_OTHER_LISTS)
    return "\n".join(lines)


def _lines(denied: list[ConnectionRecord]) -> Iterator[str]:
    for record in denied[:_SHOWN_CONNECTIONS]:
        yield (
            f"connection denied: {record.name or record.host} port {record.port}: {record.reason}"
        )
    if denied:
        yield f"what allows more: {_OPEN}"


def refusal(line: object, why: str) -> GRPCError:
    """UNIMPLEMENTED: an image with a line.

    Args:
        line: of the definition.
        why: which part of it is not implemented, and what is.
    """
    return unimplemented(
        f"an image with {str(line)!r} is not implemented by pytest-sandbox: {why}; "
        "docs/reference/images.md lists what lines can be"
    )
