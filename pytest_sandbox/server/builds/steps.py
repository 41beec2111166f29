"""The steps of a build that make a layer: a command that is run, or files that are copied."""

from __future__ import annotations

from dataclasses import field
from typing import TypeAlias

from pytest_sandbox._shared.lazy_dataclass import dataclass

from ..model.image_keys import key_of, settings
from ..model.images import ImageRecord
from .context import CopiedFile, identity


@dataclass(frozen=True)
class TemporaryFile:
    """A file that is there while a command runs, and in no layer.

    Attributes:
        path: absolute.
        content: its bytes.
        mode: permission bits.
        owner: its user and its group.
    """

    path: str
    content: bytes = field(repr=False)
    mode: int = 0o444
    owner: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class CacheMount:
    """A directory that outlives the build.

    Attributes:
        path: absolute.
        name: tells it from others.
        shared: whether several steps may have it at a time.
        read_only: whether the step may only read it.
        owner: user and group id, if it is not that of root.
        mode: permission bits, if they are not the usual ones.
    """

    path: str
    name: str
    shared: bool = True
    read_only: bool = False
    owner: tuple[int, int] | None = None
    mode: int | None = None


@dataclass(frozen=True)
class BindMount:
    """Files that are there while a command runs; what it writes to them is lost.

    Attributes:
        path: absolute.
        files: those of the context; of a directory if `single` is not set.
        single: whether it is one file.
        image: the image that they are in, if it is not the context.
        source: the path in that.
    """

    path: str
    files: tuple[CopiedFile, ...] = ()
    single: bool = False
    image: Source | None = None
    source: str = ""

    @property
    def identity(self) -> object:
        """What a layer depends on."""
        source = self.image.key.hex() if self.image is not None else identity(self.files)
        return [self.path, self.single, source, self.source]


@dataclass(frozen=True)
class RunStep:
    """A command to run.

    Attributes:
        argv: the command.
        env: variables besides those of the image.
        secrets: variables that no layer has.
        secrets_digest: changes with these, and tells nothing of them.
        user: who runs it; empty for root.
        network: whether it has the network of the run.
        files: files that are there meanwhile.
        secret_files: further ones; none of their contents is a part of the identity.
        caches: directories that outlive the build.
        binds: files and directories of the context and of other images.
        empty: directories that are empty, and whose contents are lost.
        proxies: variables that name proxies, on which no layer depends.
        offline: whether it uses the package manager and there is no network: apt-get update then
            succeeds, and does nothing.
    """

    argv: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    secrets_digest: str = ""
    user: str = ""
    network: bool = True
    files: tuple[TemporaryFile, ...] = ()
    secret_files: tuple[TemporaryFile, ...] = ()
    caches: tuple[CacheMount, ...] = ()
    binds: tuple[BindMount, ...] = ()
    empty: tuple[str, ...] = ()
    proxies: dict[str, str] = field(default_factory=dict)
    offline: bool = False

    @property
    def identity(self) -> object:
        """What the layer depends on, besides the image."""
        return [
            *("RUN", self.argv, sorted(self.env.items()), self.secrets_digest),
            *(self.user, self.network),
            [(each.path, each.content.hex(), each.mode) for each in self.files],
            [(each.path, each.mode, each.owner) for each in self.secret_files],
            [(each.path, each.name, each.read_only) for each in self.caches],
            [each.identity for each in self.binds],
            self.empty,
            *(["offline"] if self.offline else []),
        ]

    @property
    def images(self) -> tuple[Source, ...]:
        """Other images that it needs."""
        return tuple(each.image for each in self.binds if each.image is not None)


@dataclass(frozen=True)
class Placing:
    """How files are copied.

    Attributes:
        target: an absolute path.
        single: whether the target is the place of the one file, unless it is a directory.
        mode: permission bits for all; `None` for those that each has.
        owner: user and group, by name or number; empty for those that each has.
        exclude: patterns of files that are left out.
    """

    target: str
    single: bool = False
    mode: int | None = None
    owner: str = ""
    exclude: tuple[str, ...] = ()

    @property
    def identity(self) -> list[object]:
        """What a layer depends on."""
        return [self.target, self.single, self.mode, self.owner, self.exclude]


@dataclass(frozen=True)
class CopyStep:
    """Files of the context to copy.

    Attributes:
        files: these.
        archives: tar files among the sources, which are unpacked.
        placing: where, and how.
    """

    files: tuple[CopiedFile, ...]
    placing: Placing
    archives: tuple[CopiedFile, ...] = ()

    @property
    def identity(self) -> object:
        """What the layer depends on, besides the image."""
        files = identity(self.files), identity(self.archives)
        return ["COPY", *files, *self.placing.identity]

    @property
    def images(self) -> tuple[Source, ...]:
        """Other images that it needs."""
        return ()


@dataclass(frozen=True)
class CopyFromStep:
    """Files of another image to copy.

    Attributes:
        image: the other image.
        sources: paths in it, which may be patterns.
        placing: where, and how.
    """

    image: Source
    sources: tuple[str, ...]
    placing: Placing

    @property
    def identity(self) -> object:
        """What the layer depends on, besides the image."""
        return ["COPY --from", self.image.key.hex(), self.sources, *self.placing.identity]

    @property
    def images(self) -> tuple[Source, ...]:
        """Other images that it needs."""
        return (self.image,)


@dataclass(frozen=True)
class PackagesStep:
    """The package database of this machine to copy."""

    @property
    def identity(self) -> object:
        """What the layer depends on, besides the image."""
        return ["PACKAGES"]

    @property
    def images(self) -> tuple[Source, ...]:
        """Other images that it needs."""
        return ()


Step: TypeAlias = RunStep | CopyStep | CopyFromStep | PackagesStep


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


@dataclass(frozen=True, eq=False)
class StagePlan:
    """What is to be done for one stage.

    Attributes:
        base: what it begins with.
        layers: to be made on that, in this order.
        image: what it says about environment, command, ...; without files of its own.
    """

    base: Source
    layers: tuple[LayerPlan, ...]
    image: ImageRecord

    @property
    def key(self) -> bytes:
        """By which its files are found."""
        return self.layers[-1].key if self.layers else self.base.key


#: Files that exist, or that a stage makes.
Source: TypeAlias = ImageRecord | StagePlan


def layer(line: str, step: Step, image: ImageRecord, below: bytes) -> LayerPlan:
    """The plan of a layer.

    Args:
        line: of the definition.
        step: what makes it.
        image: with the environment, the working directory, ... of the step.
        below: the key of the layer that it is made on.
    """
    return LayerPlan(line, step, image, key_of(below, step.identity, settings(image)))
