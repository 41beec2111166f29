"""What the engine says once to a new zygote: how it makes sandboxes."""

from __future__ import annotations

from .message import Message
from .wire import family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal


class SharedTree(Message):
    """Part of `SetupRequest`: a folder of the machine that sandboxes see.

    Attributes:
        path: in the sandbox.
        source: its path here.
        layer: whether a sandbox may write there, into a layer of its own.
        hidden: paths in it that do not show, which takes a layer.
        kept: paths in it that do show, though one above them is hidden.
        shown: in which sandboxes it shows: in all, in those that show the project, or in others.
    """

    path: str
    source: str
    layer: Literal["always", "if possible", "never"]
    hidden: list[str]
    kept: list[str]
    shown: Literal["always", "with project", "without project"]


class GpuSource(Message):
    """Part of `SetupRequest`: a device node, library or program that GPUs need.

    Attributes:
        path: in a sandbox.
        source: its path here.
    """

    path: str
    source: str


class CriuFiles(Message):
    """Part of `SetupRequest`: the CRIU to use; all are paths.

    Attributes:
        program: CRIU itself.
        loader: what loads its libraries; empty if it needs none.
        libraries: those.
    """

    program: str
    loader: str
    libraries: list[str]


class SetupRequest(Message):
    """Answered by `ZygoteReady`, or by `SetupFailed`.

    Attributes:
        rootless: whether the zygote makes itself root of a user namespace first.
        first: first id of the machine that this namespace has where there are no cgroups, if the
            zygote can map its ids itself, as root of the machine; else the engine does.
        userns: whether each sandbox has a user namespace.
        shift: first id of the machine that sandboxes use; 0 if they use the zygote's own.
        ids: how many ids a sandbox has.
        own_ids: whether each sandbox has ids of the machine of its own, instead of those that begin
            with `shift`.
        trees: folders of the machine to show.
        moved: virtual environments among them that show at another path, path in a sandbox to
            path here.
        links: top-level symbolic links to show, name to target.
        files: files of the machine of which sandboxes have copies.
        more_links: further symbolic links, path to target.
        size: bytes that one sandbox may write.
        inodes: files that one sandbox may make.
        memory: bytes that all sandboxes together may use, where there is a cgroup for that.
        criu: what dumps and restores processes, if that is wanted.
        gpus: what sandboxes may have of the machine's GPUs.
        gpu_links: symbolic links of sandboxes that have some, path to target.
        images: the folder with unpacked layers of images; empty if there is none.
    """

    rootless: bool
    first: int | None
    userns: bool
    shift: int
    ids: int
    own_ids: bool
    trees: list[SharedTree]
    moved: dict[str, str]
    links: dict[str, str]
    files: list[str]
    more_links: dict[str, str]
    size: int
    inodes: int
    memory: int
    criu: CriuFiles | None
    gpus: list[GpuSource]
    gpu_links: dict[str, str]
    images: str


class IdsGiven(Message):
    """The zygote's user namespace has its ids; follows `UserNamespaceEntered`."""


ENGINE_TO_NEW_ZYGOTE = family(SetupRequest, IdsGiven)
