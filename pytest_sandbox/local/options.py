"""What can be set about the local engine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Mode(Enum):
    """How sandboxes are kept apart from the machine, strongest first."""

    ROOT_SHIFTED = "root, shifted user namespace"
    ROOT_IDENTITY = "root, identity user namespace"
    ROOT_PLAIN = "root, no user namespace"
    SUBORDINATE = "rootless, subordinate ids"
    SINGLE = "rootless, single id"


@dataclass(frozen=True)
class LocalOptions:
    """Settings of a `LocalEngine`.

    Attributes:
        mode: the only mode to try; `None` for the first that works here.
        disk: bytes that one sandbox may write; `None` for 2 GiB, or a quarter of the machine's
            memory if that is less.
        store: bytes that all snapshots together may take; `None` for a quarter of the machine's
            memory.
        processes: how many processes and threads one sandbox may have, unless its limits say so.
        criu: path of the CRIU that keeps memory; `None` for that of `PYTEST_SANDBOX_CRIU` in the
            environment, else the installed one.
    """

    mode: Mode | None = None
    disk: int | None = None
    store: int | None = None
    processes: int = 1024
    criu: str | None = None
