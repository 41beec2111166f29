"""Between the zygote and its forker, and between the zygote and a blank.

The zygote describes each kind of sandbox once, by a `SandboxPlan`, whose number is that of the
message; this is not answered. Then it orders any number of sandboxes of that kind, one at a time,
by packets as short as can be: see `zygote.forker`.

A blank, whose kind is a `BlankPlan`, hears later what sandbox it is to be, by `BlankTaken`.
"""

from __future__ import annotations

import struct

from .common import Failed
from .message import Message
from .wire import family
from .zygote import MountedVolume  # noqa: TC001 - `Message` looks up its checks

#: An order: the number of the plan, and the id that the user namespace belongs to, or -1 for the
#: forker's own. Beside it the agent's socket to the engine, which a blank gets later, that to the
#: zygote, and what is needed to join the cgroups of the sandbox.
ORDER = struct.Struct("=iq")
#: What answers an order: the pid. `Failed`, if there is none, is longer.
FORKED = struct.Struct("=i")


class LayerParts(Message):
    """Part of `SandboxPlan`: a layer, as the zygote knows it.

    Attributes:
        number: its own.
        names: those of its parts.
        filled: those of them that hold anything.
        unpacked: whether it is one of an image.
        no_root: whether it lacks the directory of all files.
    """

    number: int
    names: list[str]
    filled: list[str]
    unpacked: bool
    no_root: bool


class SandboxPlan(Message):
    """What PID 1 of a sandbox is to make of itself.

    Attributes:
        stack: the layers that its root is made of, the newest first.
        volumes: as in `CreateRequest`, like all that follow but for the last.
        folder: whether the first descriptor for cgroups is a folder, of version 2.
    """

    stack: list[LayerParts]
    volumes: list[MountedVolume]
    hostname: str
    workdir: str
    project: bool
    network: bool
    processes: int
    gpus: list[int]
    folder: bool

    @property
    def layers(self) -> list[int]:
        """The numbers of the layers."""
        return [layer.number for layer in self.stack]


class BlankPlan(Message):
    """What a blank is: PID 1 of a sandbox of which nothing is known yet but its limits.

    Attributes:
        processes: as in `SandboxPlan`, like the other.
    """

    processes: int
    folder: bool


class BlankTaken(Message, descriptors=(1, 200)):
    """What a blank is to be; beside it the agent's socket to the engine, and the mounts.

    Attributes:
        plan: of the sandbox, with the limits of the blank.
        mapped: paths in the stage of the mounts.
    """

    plan: SandboxPlan
    mapped: list[str]


ZYGOTE_TO_FORKER = family(SandboxPlan, BlankPlan)
ZYGOTE_TO_BLANK = family(BlankTaken)
FORKER_TO_ZYGOTE = family(Failed)
