"""What the server asks an engine for: specifications of tasks and processes, capabilities."""

from collections.abc import Mapping
from dataclasses import field
from enum import Enum

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox._shared.network.members import (
    SANDBOX_NETWORK_RANGE as SANDBOX_NETWORK_RANGE,
)

from ._image import Host, MemorySnapshot, RootImage


class Capability(Enum):
    """What an engine may or may not be able to do on this machine."""

    CPU_LIMIT = "cpu limit"
    GPU = "gpu"
    IMAGE = "image"  #: files of images of registries and archives
    ISOLATION = "isolation"  #: a root directory, users, a name and a network of a task's own
    MEMORY_LIMIT = "memory limit"
    MEMORY_SNAPSHOT = "memory snapshot"
    NETWORK = "network"  #: connections from inside to addresses outside
    PORT = "port"  #: connections to ports inside
    PROJECT = "project"  #: a directory of this machine that tasks can show
    PTY = "pty"
    SANDBOX_NETWORK = "sandbox network"  #: connections between tasks, by alias
    SNAPSHOT = "snapshot"  #: of the filesystem and of directories, which can be mounted
    VOLUME = "volume"


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
        processes: number of processes and threads.
    """

    cpus: float | None = None
    memory: int | None = None
    processes: int | None = None


@dataclass(frozen=True)
class Requests:
    """What a task is expected to need; `None` for what nobody said.

    It bounds nothing. An engine of several machines places tasks by it, so that their machine has
    as much for each; others ignore it.

    Attributes:
        cpus: processors, as `Limits.cpus`.
        memory: bytes of memory.
    """

    cpus: float | None = None
    memory: int | None = None


@dataclass(frozen=True)
class Gpus:
    """GPUs that a task asks for, for itself alone.

    Attributes:
        kind: `"H100"`, as Modal names them; empty for any. One that begins with `lease:` names
            devices which the caller has leased already, for engines on real devices.
        count: how many.
        otherwise: what will do as well if these cannot be had, the best first.
    """

    kind: str = ""
    count: int = 1
    otherwise: tuple["Gpus", ...] = ()


@dataclass(frozen=True)
class Network:
    """Where connections that programs of a task open may lead, besides to the task itself.

    They carry TCP. Some addresses are refused although a network contains them, unless one names
    them: those of the machine, link-local and private ones, and others that only mean something
    near the machine. A range is named by a network that lies in it, and an address of the machine's
    own, other than loopback, by a network that is this address alone.

    Names are resolved if one of the domains allows them, or if all addresses are allowed.

    Attributes:
        cidrs: the networks, as `ipaddress.ip_network` takes them.
        domains: names to which connections of TLS to port 443 may lead besides, by the name that
            they give (SNI): `"example.com"`, `"*.example.com"` for those below it, `"*"`.
    """

    cidrs: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()


@dataclass(frozen=True)
class Membership:
    """A network of tasks that a task belongs to while it lives.

    The network is a label: nothing makes it, and nothing has to end it. Programs of its tasks reach
    each other's ports, on the loopback interface of each, by the aliases of the tasks, and nothing
    else by it. It has nothing to do with `Network`, by which connections lead out.

    An alias resolves to an address in `SANDBOX_NETWORK_RANGE`, which means something in the network
    only, and which no connection of a member leads out to; for the task itself, it resolves to its
    own loopback interface. It comes before a name outside. If several tasks have it, it is that of
    the one which was created last and lives.

    Attributes:
        network: tells the network from others of the engine.
        aliases: names of this task in the network, in lower case: `"db"`, `"api.example.com"`.
    """

    network: str
    aliases: tuple[str, ...] = ()


#: Every public address.
OPEN_NETWORK = Network(("0.0.0.0/0", "::/0"))


@dataclass(frozen=True)
class VolumeMount:
    """A directory that outlives the task, and that tasks share.

    Attributes:
        volume: its name; the engine makes it when it is first mounted.
        path: absolute; where it is mounted. It is created if it does not exist.
        read_only: whether the task may only read it.
        sub_path: relative, without `.` and `..`: mount this directory of the volume instead of
            all of it. It is created if it does not exist. No link on the way is followed.
    """

    volume: str
    path: str
    read_only: bool = False
    sub_path: str = ""


#: Where processes start unless a specification says otherwise: the home of root, as at Modal.
DEFAULT_WORKDIR = "/root"

#: Where programs are on every system, and in images that say nothing.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class ProcessUser:
    """Who runs a process, by numbers: names are those of the image, which may lie.

    Attributes:
        uid: user id.
        gid: group id.
        groups: ids of further groups.
    """

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


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
        user: who runs it; `None` for root. It needs no program of the image. An engine whose tasks
            have no users ignores it, or raises `Unsupported`.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str | None = None
    stdout: Output = Output.PIPE
    stderr: Output = Output.PIPE
    pty: PtySize | None = None
    user: ProcessUser | None = None


@dataclass(frozen=True)
class TaskSpec:
    """A sandbox to create.

    Attributes:
        main: the process that the task lives and dies with; `None` for a task that lives
            until it is killed.
        image: what its files start from.
        env: environment of every process of the task.
        workdir: absolute; `None` for `DEFAULT_WORKDIR`. It is created if it does not exist.
        hostname: what `uname -n` says inside.
        limits: upper bounds.
        requests: what it is expected to need.
        volumes: volumes to mount.
        project: whether its files include the directory `EngineInfo.project` of this machine, at
            its own path; what the task changes there stays in it.
        gpus: GPUs for this task; `None` for none.
        network: where connections may lead; `None` for a network that is the loopback interface
            alone.
        membership: the network of tasks that it belongs to.
        freezable: whether `snapshot_memory` may be called on it, which may cost isolation.
        exit_snapshot: whether a snapshot of its files is taken when it has ended, however it does;
            see `SupportsExitSnapshots`.
        resume: the task starts with the files and processes of this snapshot; `main` and `image`
            are ignored.
        name: of the sandbox, for people and for scripts of tests; need not be unique.
        tags: of the sandbox when it is created, for the same purpose.
        groups: that it belongs to, by which a `ConnectionFault` finds it.
    """

    main: ProcessSpec | None = None
    image: RootImage = field(default_factory=Host)
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str | None = None
    hostname: str = "sandbox"
    limits: Limits = Limits()
    requests: Requests = Requests()
    volumes: tuple[VolumeMount, ...] = ()
    project: bool = False
    gpus: Gpus | None = None
    network: Network | None = None
    membership: Membership | None = None
    freezable: bool = False
    exit_snapshot: bool = False
    resume: MemorySnapshot | None = None
    name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True)
class EngineInfo:
    """What an engine is, here and now.

    Attributes:
        name: `"local"`.
        mode: how it isolates on this machine, `"root, shifted user namespace"`.
        capabilities: what it can do.
        details: more for people to read, name to value.
        fingerprint: changes when the contents of the image `Host` do; empty for an engine that
            exports no snapshots.
        project: the directory that tasks show which ask for the project; empty if none can.
        network: where connections may lead of sandboxes that say nothing about it.
        one_image: whether the files are those of `Host` whatever image a task starts from, so that
            images of registries need not be had.
        search_path: `PATH` of tasks that start from `Host`, if their specification has none.
        processors: of the machine that tasks are on, of the largest if there are several; no
            sandbox can ask for more. `None` if that is not to be checked.
        memory: of that machine, in bytes; as with `processors`.
    """

    name: str
    mode: str
    capabilities: frozenset[Capability]
    details: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str = ""
    project: str = ""
    network: Network | None = None
    one_image: bool = False
    search_path: str = DEFAULT_PATH
    processors: int | None = None
    memory: int | None = None
