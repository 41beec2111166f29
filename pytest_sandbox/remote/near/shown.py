"""What an engine on another machine says of itself here."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_sandbox.engine import Capability

if TYPE_CHECKING:
    from pytest_sandbox.engine import EngineInfo

    from ..wire.infos import FarInfo, FarMachine


#: Characters of the name of a machine: HOST_NAME_MAX of Linux.
_LONGEST_HOST = 64


def shown(far: FarInfo, no_project: str) -> EngineInfo:
    """What the engine is for the server of a run.

    Args:
        far: what the far side says.
        no_project: why no sandbox can show a directory of this machine.
    """
    info = far.info
    details = {"machine": in_words(far.machine), "engine there": info.name, **info.details}
    details["no project"] = no_project
    return replace(
        info,
        name="remote",
        capabilities=info.capabilities - {Capability.PROJECT},
        details=details,
        # What one kind of engine has exported, another one cannot load.
        fingerprint=info.fingerprint and f"{info.name} {info.fingerprint}",
        project="",
    )


def host_of(far: FarInfo) -> str:
    """What the machine calls itself; no more of that than names are long."""
    return "".join(filter(str.isprintable, far.machine.host))[:_LONGEST_HOST]


def in_words(machine: FarMachine) -> str:
    """A machine: `"gpu-box, 64 processors, 503 GiB, 2 x H100"`."""
    noun = "processor" if machine.processors == 1 else "processors"
    words = [machine.host, f"{machine.processors} {noun}", f"{machine.memory >> 30} GiB"]
    words += [f"{count} x {kind}" for kind, count in Counter(machine.gpus).items()]
    return ", ".join(words)
