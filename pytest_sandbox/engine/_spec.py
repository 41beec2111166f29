"""What the server asks an engine for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Capability(Enum):
    """What an engine may or may not be able to do on this machine."""

    CPU_LIMIT = "cpu limit"
    MEMORY_LIMIT = "memory limit"
    PTY = "pty"


class Network(Enum):
    """What a sandbox can reach."""

    LOOPBACK = "loopback"  #: its own loopback interface, and nothing else


class Output(Enum):
    """Where an output stream of a process goes."""

    PIPE = "pipe"
    DEVNULL = "devnull"
    STDOUT = "stdout"  #: stderr only: merged into stdout


@dataclass(frozen=True)
class PtySize:
    """A terminal's size in characters."""

    rows: int = 24
    columns: int = 80


@dataclass(frozen=True)
class Limits:
    """Upper bounds of a task; `None` means the engine's default.

    Attributes:
        cpus: processors' worth of time per second, 1.5 for one and a half.
        memory: bytes of memory.
        processes: how many processes and threads.
    """

    cpus: float | None = None
    memory: int | None = None
    processes: int | None = None


@dataclass(frozen=True)
class ProcessSpec:
    """A process to start.

    Attributes:
        argv: the command and its arguments; a command without a slash is looked up in `PATH`.
        env: added to the task's environment; the task's own comes first, this wins.
        workdir: absolute; `None` for the task's.
        stdout: where standard output goes.
        stderr: where standard error goes.
        pty: run on a terminal of this size; stdout and stderr are then one stream, `stdout`.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str | None = None
    stdout: Output = Output.PIPE
    stderr: Output = Output.PIPE
    pty: PtySize | None = None


@dataclass(frozen=True)
class TaskSpec:
    """A sandbox to create.

    Attributes:
        main: the process that the task lives and dies with; `None` for a task that lives
            until it is killed.
        image: `"host"`, the curated read-only view of this machine.
        env: environment of every process of the task.
        workdir: absolute; `None` for the image's. It is created if it does not exist.
        hostname: what `uname -n` says inside.
        limits: upper bounds.
        network: what it can reach.
    """

    main: ProcessSpec | None = None
    image: str = "host"
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str | None = None
    hostname: str = "sandbox"
    limits: Limits = Limits()
    network: Network = Network.LOOPBACK


@dataclass(frozen=True)
class EngineInfo:
    """What an engine is, here and now.

    Attributes:
        name: `"local"`.
        mode: how it isolates on this machine, `"root, shifted user namespace"`.
        capabilities: what it can do.
        details: more for people to read, name to value.
    """

    name: str
    mode: str
    capabilities: frozenset[Capability]
    details: Mapping[str, str] = field(default_factory=dict)
