"""Settings of the local engine."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import check_options, invalid_option

if TYPE_CHECKING:
    from collections.abc import Mapping


class Mode(Enum):
    """How sandboxes are isolated from the machine, the strongest first.

    In a shifted user namespace, root of a sandbox is a user of the machine that nothing else uses,
    or, with shared ids, that sandboxes share. In an identity one it is the machine's root, without
    its capabilities over the machine. Without one, which memory snapshots need, capabilities and
    the seccomp filter hold it. Rootless modes use the user's own id, and subordinate ids if the
    machine gives some.
    """

    ROOT_SHIFTED = "root, shifted user namespace"
    ROOT_SHARED = "root, shifted user namespace, shared ids"
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
        criu: path of the CRIU for memory snapshots; `None` for that of `PYTEST_SANDBOX_CRIU` in
            the environment, else the installed one.
        project: absolute path of the directory that sandboxes show which ask for the project;
            `None` for none.
        network: `"open"` if sandboxes that say nothing about it reach public addresses, else
            `"none"`.
        memory: bytes that one sandbox may use, unless its limits say so, where the machine has
            cgroups for it; `None` for half of the machine's memory.
        gpus: `"machine"` if sandboxes get GPUs of the machine, `"simulated"` if they get such that
            do not exist, for programs that only ask about them.
        gpu_wait: seconds that the creation of a sandbox waits for GPUs that others have.
        pool: whether sandboxes are made ahead.
    """

    mode: Mode | None = None
    disk: int | None = None
    store: int | None = None
    processes: int = 1024
    criu: str | None = None
    project: str | None = None
    memory: int | None = None
    network: str = "none"
    gpus: str = "machine"
    gpu_wait: int = 60
    pool: bool = True

    @classmethod
    def parse(cls, options: Mapping[str, str]) -> LocalOptions:
        """The settings that a command line gives as text; `mode` as `root-shifted`, ...

        Raises:
            EngineUnavailable: an option does not exist, or its value makes no sense.
        """
        check_options("local", options, cls.__dataclass_fields__)
        return cls(**{name: _parse(name, text) for name, text in options.items()})


#: Options whose value is one of a few words.
_WORDS = {
    "gpus": ("machine", "simulated"),
    "network": ("none", "open"),
    "pool": ("auto", "off"),
}


def _parse(name: str, text: str) -> Any:
    if name == "mode":
        modes = {mode.name.lower().replace("_", "-"): mode for mode in Mode}
        if text not in modes:
            raise invalid_option("local", name, text, f"one of {', '.join(modes)}")
        return modes[text]
    if name in _WORDS:
        if text not in _WORDS[name]:
            raise invalid_option("local", name, text, " or ".join(_WORDS[name]))
        return text != "off" if name == "pool" else text
    if name == "project":
        if not text.startswith("/"):
            raise invalid_option("local", name, text, "an absolute path")
        return text
    if name == "criu":
        if not text:
            raise invalid_option("local", name, text, "a path")
        return text
    if not (text.isascii() and text.isdigit() and int(text)):
        raise invalid_option("local", name, text, "a whole number of at least 1")
    return int(text)
