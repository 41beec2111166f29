"""An image whose parts are known, and on this disk."""

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from pytest_sandbox._shared.lazy_dataclass import dataclass


@dataclass(frozen=True)
class ImageConfig:
    """What an image says about the programs that run in it.

    Attributes:
        env: environment variables.
        workdir: where programs start; `None` if it does not say.
        entrypoint: what a command is appended to.
        cmd: the command of sandboxes that are created without one.
        shell: runs commands that are given as one line; empty for `/bin/sh -c`.
        user: that programs run as; empty for root.
        onbuild: lines of a Dockerfile for images that are built on it.
        architecture: as Go names it, `amd64`.
    """

    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str | None = None
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    shell: tuple[str, ...] = ()
    user: str = ""
    onbuild: tuple[str, ...] = ()
    architecture: str = ""


@dataclass(frozen=True)
class LayerBlob:
    """One layer: a tar, which may be compressed.

    Attributes:
        digest: SHA-256 of the file.
        diff_id: SHA-256 of the tar in it, by which the unpacked layer is known.
        size: bytes of the file.
        media_type: what its source says about it; the first bytes of the file decide.
        path: of the file, whose digest was checked. It may be missing if the store has the layer
            unpacked.
    """

    digest: str
    diff_id: str
    size: int
    media_type: str
    path: Path


@dataclass(frozen=True)
class ResolvedImage:
    """An image of a registry or of an archive.

    Attributes:
        reference: its name for people: `alpine:3.21`, or the path of an archive.
        digest: of its manifest, for one architecture.
        config: what it says about programs.
        layers: the lowest first.
        pin: the digest that its name leads to: of an index of several architectures, or of the
            manifest.
    """

    reference: str
    digest: str
    config: ImageConfig
    layers: tuple[LayerBlob, ...]
    pin: str = ""
