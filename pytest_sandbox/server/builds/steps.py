"""The steps of a build that make a layer: a command that is run, or files that are copied."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import TypeAlias

from ..model.images import ImageRecord
from .context import CopiedFile, identity


@dataclass(frozen=True)
class RunStep:
    """A command to run.

    Attributes:
        argv: the command.
        env: variables besides those of the image.
        secrets: variables that no layer has.
        secrets_digest: changes with these, and tells nothing of them.
    """

    argv: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    secrets_digest: str = ""

    @property
    def identity(self) -> object:
        """What the layer depends on, besides the image."""
        return ["RUN", self.argv, sorted(self.env.items()), self.secrets_digest]


@dataclass(frozen=True)
class CopyStep:
    """Files to copy.

    Attributes:
        files: these.
        target: an absolute path.
        single: whether the target is the place of the one file, unless it is a directory.
        mode: permission bits for all; `None` for those that each has.
    """

    files: tuple[CopiedFile, ...]
    target: str
    single: bool = False
    mode: int | None = None

    @property
    def identity(self) -> object:
        """What the layer depends on, besides the image."""
        return ["COPY", identity(self.files), self.target, self.single, self.mode]


Step: TypeAlias = RunStep | CopyStep


@dataclass(frozen=True)
class LayerPlan:
    """A layer to be made, or to be found.

    Attributes:
        line: of the definition.
        step: what makes it.
        image: with the environment, the working directory, ... of the step.
        key: by which the layer is found: all that it depends on.
    """

    line: str
    step: Step
    image: ImageRecord
    key: bytes


def layer(line: str, step: Step, image: ImageRecord, below: bytes) -> LayerPlan:
    """The plan of a layer.

    Args:
        line: of the definition.
        step: what makes it.
        image: with the environment, the working directory, ... of the step.
        below: the key of the layer that it is made on.
    """
    return LayerPlan(line, step, image, key_of(below, step.identity, settings(image)))


def settings(image: ImageRecord) -> list[object]:
    """What an image says about commands that are run in it."""
    return [sorted(image.env.items()), image.workdir, image.project]


def key_of(below: bytes, *parts: object) -> bytes:
    """The key of something that depends on a layer and on further parts, as JSON has them."""
    text = json.dumps(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(below + b"\0" + text).digest()
