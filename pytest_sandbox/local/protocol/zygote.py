"""Between the engine and the zygote.

The engine begins with `SetupRequest`. A rootless zygote says `UserNamespaceEntered`, and waits for
`IdsGiven`. Then it says `ZygoteReady`; or `SetupFailed`, and ends. After that the engine asks, and
the zygote answers in any order; and it tells of sandboxes: `SandboxBorn`, `SandboxEnded`, and
`SandboxGone`. When the engine closes the socket, the zygote ends, and every sandbox with it.
"""

from __future__ import annotations

from .common import DescriptorAnswer, Failed, KernelError, Succeeded
from .criu import DumpRequest, RestoreRequest
from .images import AddImageLayerRequest, LayerUnpacked, RemoveUnpackedRequest, UnpackRequest
from .message import Message
from .wire import family

# What the engine asks about sandboxes.


class MountedVolume(Message):
    """Part of `CreateRequest`: a volume in a sandbox.

    Attributes:
        number: the engine's number for the volume.
        path: where it is mounted.
        read_only: whether the sandbox may not write to it.
        sub_path: the directory of it that is mounted, relative; all of it if empty.
    """

    number: int
    path: str
    read_only: bool
    sub_path: str


class LayerAtEnd(Message):
    """Part of `CreateRequest`: make a layer of what the sandbox wrote once it has ended.

    Answered by `LayerMade`, before `SandboxEnded`.

    Attributes:
        number: of the request that this is answered as.
        layer: the number that the layer gets.
        room: bytes that it may take.
    """

    number: int
    layer: int
    room: int


class CreateRequest(Message, descriptors=1):
    """Make a sandbox; `SandboxBorn` tells that it is under way, `SandboxEnded` of its end.

    Beside it the agent's socket to the engine, over which more is told. The sandbox's name is the
    number of this request too.

    Attributes:
        name: the engine's name for it.
        layers: numbers of the layers that its root is made of, the newest first.
        volumes: those that it has.
        hostname: its name for itself.
        workdir: a directory that is made.
        project: whether it shows the project.
        network: whether it has a way out.
        processes: how many processes and threads it may have.
        memory: bytes that it may use, where there is a cgroup for that.
        cpus: processors that it may use, if that is limited.
        gpus: what it has of the machine's GPUs, by numbers in the list of `SetupRequest`.
        beside: the engine's name for a sandbox whose limits it shares; empty for limits of its own.
        at_end: the layer that is made when it has ended, if one is.
        blank: whether the blank may become it, if there is one: somebody waits for it.
    """

    name: str
    layers: list[int]
    volumes: list[MountedVolume]
    hostname: str
    workdir: str
    project: bool
    network: bool
    processes: int
    memory: int
    cpus: float | None
    gpus: list[int]
    beside: str
    at_end: LayerAtEnd | None
    blank: bool


class KeepBlankRequest(Message):
    """Make a blank ahead, PID 1 of a sandbox to come, unless there is one; not answered.

    Attributes:
        processes: as in `CreateRequest`, like the others: its limits.
        memory: likewise.
        cpus: likewise.
    """

    processes: int
    memory: int
    cpus: float | None


class DropBlankRequest(Message):
    """End the blank, if there is one; not answered. What comes later finds the room that it had."""


class HideRequest(Message):
    """Hide more of a folder of the machine, in sandboxes that are made from now on.

    Answered by `Succeeded`. No sandbox may show the folder yet.

    Attributes:
        path: of the folder, in sandboxes.
        hidden: as in `SharedTree`.
        kept: as in `SharedTree`.
    """

    path: str
    hidden: list[str]
    kept: list[str]


class KillRequest(Message):
    """Kill a sandbox, if it is there; followed by `SandboxEnded`."""

    name: str


class FreeAgentRequest(Message):
    """Resume what a sandbox's agent has started and waits for, if a program stops that.

    Not answered.

    Attributes:
        name: of the sandbox.
        kill: whether to kill it.
    """

    name: str
    kill: bool


class OutletRequest(Message):
    """Make a way out of a sandbox that has none; answered by `OutletMade`."""

    name: str


class UsageRequest(Message):
    """Answered by `UsageAnswer`, with `ESRCH` if the sandbox has ended."""

    name: str


# What the engine asks about files. What makes a layer is answered by `LayerMade`.


class SnapshotAtEndRequest(Message):
    """Kill a sandbox, and make a layer of what it wrote.

    Attributes:
        name: of the sandbox.
        layer: the number that the layer gets.
        room: bytes that it may take.
    """

    name: str
    layer: int
    room: int


class SnapshotInPlaceRequest(Message):
    """Make a layer of what a sandbox wrote, and have the sandbox continue on top of it.

    Nothing may run in the sandbox until both are done. Refused with `EBUSY` if its mounts do not
    allow this.

    Attributes:
        name: of the sandbox.
        layer: the number that the layer gets.
        room: bytes that it may take.
        replaced: the number of a second answer, after `LayerMade`: `Succeeded` once the sandbox has
            a new store. If that fails, it must not run any more: it would write to the layer.
    """

    name: str
    layer: int
    room: int
    replaced: int


class SnapshotByCopyRequest(Message):
    """Make a layer of a copy of what a sandbox wrote."""

    name: str
    layer: int
    room: int


class SnapshotDirectoryRequest(Message):
    """Make a layer of a copy of a directory."""

    name: str
    layer: int
    room: int
    path: str


class MountRequest(Message):
    """Mount layers over a directory of a sandbox; answered by `Succeeded`.

    Attributes:
        name: of the sandbox.
        path: the directory.
        layers: their numbers, the newest first.
        root: whether they make the root of a sandbox, and not a directory.
    """

    name: str
    path: str
    layers: list[int]
    root: bool


class UnmountRequest(Message):
    """Undo the latest `MountRequest` at a path; answered by `Succeeded`."""

    name: str
    path: str


class ExportRequest(Message, descriptors=1):
    """Write layers, merged, to a pipe, whose writing end is beside it; answered by `Succeeded`.

    Attributes:
        layers: their numbers, the newest first.
    """

    layers: list[int]


class LoadRequest(Message, descriptors=1):
    """Make a layer of what `ExportRequest` wrote, from the pipe beside it."""

    layer: int
    room: int


class LendLayerRequest(Message):
    """Answered by `DescriptorAnswer`: the layer, as a mount."""

    layer: int


class TakeLayerRequest(Message, descriptors=1):
    """Have a layer of another zygote, which is beside it, too; answered by `Succeeded`.

    Attributes:
        layer: its number.
        shift: as the other zygote's.
    """

    layer: int
    shift: int


class DropLayerRequest(Message):
    """Unmount a layer; not answered."""

    number: int


class DropVolumeRequest(Message):
    """Unmount a volume; not answered."""

    number: int


ENGINE_TO_ZYGOTE = family(
    *(HideRequest, CreateRequest, KeepBlankRequest, DropBlankRequest),
    *(KillRequest, FreeAgentRequest, OutletRequest),
    *(UsageRequest, SnapshotAtEndRequest, SnapshotInPlaceRequest, SnapshotByCopyRequest),
    *(SnapshotDirectoryRequest, MountRequest, UnmountRequest, ExportRequest, LoadRequest),
    *(LendLayerRequest, TakeLayerRequest, DropLayerRequest, DropVolumeRequest),
    *(UnpackRequest, RemoveUnpackedRequest, AddImageLayerRequest),
    *(DumpRequest, RestoreRequest),
)

# What the zygote says.


class UserNamespaceEntered(Message):
    """The zygote is in a new user namespace, and waits for ids."""


class ZygoteReady(Message):
    """The zygote can make sandboxes.

    Attributes:
        controllers: cgroup controllers that it can use.
        refused: why it cannot use the others, by their names.
        cgroups: paths of the groups that it made, which the engine removes if it dies.
        read_only: folders of the machine that could have no layer, and why.
        left_out: folders of the machine that do not show, and why.
        no_hostname: why sandboxes cannot have a host name of their own; empty if they can.
        no_gpus: what of `SetupRequest.gpus` cannot be used, and why, by path in a sandbox.
        no_images: why sandboxes cannot be made of layers of images; empty if they can.
    """

    controllers: list[str]
    refused: dict[str, str]
    cgroups: list[str]
    read_only: dict[str, str]
    left_out: dict[str, str]
    no_hostname: str
    no_gpus: dict[str, str]
    no_images: str


class SetupFailed(Message):
    """It cannot be set up; the zygote ends."""

    error: KernelError


class SandboxBorn(Message):
    """A sandbox has a PID 1.

    Attributes:
        name: of the sandbox.
        pid: of PID 1, on the machine.
        ahead: whether that was a blank.
    """

    name: str
    pid: int
    ahead: bool


class Figures(Message):
    """Part of others: what a sandbox used; `None` where the kernel does not say.

    Attributes:
        cpu_seconds: time on processors.
        peak_memory: bytes, at most at one time.
        bytes_written: by `write(2)` and its like.
        peak_processes: processes and threads, at most at one time.
        oom_kills: processes that were killed because the sandbox used too much memory.
    """

    cpu_seconds: float | None
    peak_memory: int | None
    bytes_written: int | None
    peak_processes: int | None
    oom_kills: int | None


class OutletMade(Message, descriptors=(2, 3)):
    """Answers `OutletRequest`; beside it listeners, and a socket for questions for names."""


class UsageAnswer(Message):
    """Answers `UsageRequest`."""

    figures: Figures


class SandboxEnded(Message):
    """Nothing of a sandbox can run any more.

    Attributes:
        name: of the sandbox.
        out_of_memory: whether the kernel killed a process of it for using too much memory.
        failed: why it could not even be forked.
        used: what it used, if it was and nothing is left of it; else `SandboxGone` will follow.
    """

    name: str
    out_of_memory: bool
    failed: KernelError | None
    used: Figures | None


class SandboxGone(Message):
    """Nothing is left of a sandbox whose end was told before.

    Attributes:
        name: of the sandbox.
        used: what it used.
    """

    name: str
    used: Figures


class LayerMade(Message):
    """Answers requests that make a layer.

    Attributes:
        size: bytes that it takes.
    """

    size: int


ZYGOTE_TO_ENGINE = family(
    *(UserNamespaceEntered, ZygoteReady, SetupFailed, SandboxBorn, SandboxEnded, SandboxGone),
    *(LayerMade, OutletMade, UsageAnswer, LayerUnpacked, Succeeded, DescriptorAnswer, Failed),
)
