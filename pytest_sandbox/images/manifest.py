"""Indexes, manifests and configurations of images, in the formats of OCI and Docker.

All of them are JSON of others: whatever their bytes are, reading gives a checked value or raises
`ImageError`. Fields that the formats make optional may be missing, `mediaType` among them.
"""

import json
import os
import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_sandbox._shared.lazy_dataclass import dataclass

from .digests import is_digest
from .errors import DamagedImage, ImageNotFound, ImageTooLarge, shown
from .resolved import ImageConfig

#: Bytes of an index, a manifest or a configuration; registries refuse larger ones too.
LARGEST_DOCUMENT = 4 * 1024**2
#: Layers of an image, as at Docker.
MOST_LAYERS = 127
_MOST_MANIFESTS = 1000
_MOST_VARIABLES = 10_000
_LARGEST_BLOB = 1 << 50

INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
#: What the variant is called that a machine has which says none.
_USUAL_VARIANTS = {"arm64": "v8", "amd64": "v1"}


@dataclass(frozen=True)
class Descriptor:
    """What a document says about another one, or about a layer.

    Attributes:
        digest: SHA-256 of its bytes.
        size: in bytes.
        media_type: empty if it does not say.
        platform: operating system, architecture and variant of a manifest.
        names: tags that an archive gives it.
    """

    digest: str
    size: int
    media_type: str = ""
    platform: tuple[str, str, str] = ("", "", "")
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """The parts of an image for one architecture."""

    config: Descriptor
    layers: tuple[Descriptor, ...]


def this_architecture() -> str:
    """The architecture of this machine, as Go names it."""
    machine = os.uname().machine
    return _MACHINES.get(machine, machine)


def document(data: bytes, what: str) -> Mapping[str, Any]:
    """The JSON object in some bytes.

    Raises:
        DamagedImage: there is none.
    """
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DamagedImage(f"{what} is not JSON: {shown(str(error))}") from None
    read: Mapping[str, Any] = checked(found, dict, what)
    return read


def checked(value: Any, kind: Any, what: str) -> Any:
    """A value of the expected type.

    Raises:
        DamagedImage: it is of another one.
    """
    fits = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
    if not fits or (kind is str and not _is_text(value)):
        raise DamagedImage(f"{what} is not what the format says: {shown(repr(value)[:300])}")
    return value


def _is_text(value: str) -> bool:
    """Whether programs can get it: JSON can have what UTF-8 and C cannot."""
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


def is_index(found: Mapping[str, Any]) -> bool:
    """Whether a document lists manifests."""
    return "manifests" in found


def manifests(index: Mapping[str, Any], what: str) -> list[Descriptor]:
    """What an index lists.

    Raises:
        DamagedImage, ImageTooLarge.
    """
    listed = checked(index["manifests"], list, f"manifests of {what}")
    if len(listed) > _MOST_MANIFESTS:
        raise ImageTooLarge(f"{what} lists {len(listed)} manifests; at most {_MOST_MANIFESTS} can")
    return [_descriptor(each, what) for each in listed]


def choose(listed: Sequence[Descriptor], architecture: str, what: str) -> Descriptor:
    """The manifest for Linux on an architecture; attestations are skipped.

    Raises:
        ImageNotFound: there is none; the message has those that there are.
    """
    variants = ("", _USUAL_VARIANTS.get(architecture, ""))
    fitting = [
        each
        for each in listed
        if each.platform[:2] == ("linux", architecture) and each.platform[2] in variants
    ]
    unnamed = [each for each in listed if each.platform[:2] == ("", "")]
    for found in (fitting, unnamed if len(unnamed) == 1 else []):
        if found:
            return found[0]
    there = sorted(
        {"/".join(filter(None, each.platform)) for each in listed} - {"", "unknown/unknown"}
    )
    raise ImageNotFound(
        f"{what} has no image for linux/{architecture}, only for "
        f"{shown(', '.join(there)) or 'no platform'}"
    )


def manifest(found: Mapping[str, Any], what: str) -> Manifest:
    """Read a manifest.

    Raises:
        DamagedImage, ImageTooLarge.
    """
    if found.get("schemaVersion") == 1 or "fsLayers" in found:
        raise DamagedImage(
            f"{what} is in Docker's first format, which registries gave up: push it again with a "
            "current tool"
        )
    if "layers" not in found or "config" not in found:
        raise DamagedImage(f"{what} is neither an image nor an index of images")
    layers = checked(found["layers"], list, f"layers of {what}")
    if len(layers) > MOST_LAYERS:
        raise ImageTooLarge(f"{what} has {len(layers)} layers; at most {MOST_LAYERS} can be used")
    read = tuple(_descriptor(each, what) for each in layers)
    for each in read:
        if "encrypted" in each.media_type or "foreign" in each.media_type:
            raise DamagedImage(f"{what} has a layer that cannot be used: {shown(each.media_type)}")
    return Manifest(_descriptor(found["config"], what), read)


def configuration(data: bytes, layers: int, what: str) -> tuple[ImageConfig, tuple[str, ...]]:
    """Read a configuration.

    Args:
        data: its bytes.
        layers: how many the manifest has.
        what: the image, for messages.

    Returns:
        What it says about programs, and the digest of the tar in each layer.

    Raises:
        DamagedImage.
    """
    found = document(data, f"the configuration of {what}")
    rootfs = found.get("rootfs")
    if rootfs is None:
        raise DamagedImage(f"{what} is not an image of files: its configuration has no 'rootfs'")
    diff_ids = checked(
        checked(rootfs, dict, f"rootfs of {what}").get("diff_ids"), list, f"diff_ids of {what}"
    )
    if len(diff_ids) != layers or not all(map(is_digest, diff_ids)):
        raise DamagedImage(
            f"the configuration of {what} does not have a digest for each of its {layers} layers"
        )
    system = found.get("os", "linux")
    if system != "linux":
        raise ImageNotFound(f"{what} is for {shown(str(system))}, not for Linux")
    config = checked(found.get("config") or {}, dict, f"config of {what}")
    return _config(config, str(found.get("architecture", "")), what), tuple(diff_ids)


def _config(config: Mapping[str, Any], architecture: str, what: str) -> ImageConfig:
    def words(name: str) -> tuple[str, ...]:
        given = checked(config.get(name) or [], list, f"{name} of {what}")
        return tuple(checked(word, str, f"{name} of {what}") for word in given)

    variables = words("Env")
    if len(variables) > _MOST_VARIABLES:
        raise ImageTooLarge(f"{what} has {len(variables)} environment variables")
    pairs = [variable.partition("=") for variable in variables]
    workdir = checked(config.get("WorkingDir") or "", str, f"WorkingDir of {what}")
    return ImageConfig(
        env={name: value for name, _, value in pairs if name},
        workdir=posixpath.join("/", workdir) if workdir else None,
        entrypoint=words("Entrypoint"),
        cmd=words("Cmd"),
        shell=words("Shell"),
        user=checked(config.get("User") or "", str, f"User of {what}"),
        onbuild=words("OnBuild"),
        architecture=architecture,
    )


def _descriptor(found: Any, what: str) -> Descriptor:
    checked(found, dict, f"a descriptor of {what}")
    digest = found.get("digest")
    if not is_digest(digest):
        raise DamagedImage(
            f"{what} refers to {shown(str(digest))!r}, which is not a SHA-256 digest"
        )
    size = checked(found.get("size"), int, f"the size of a part of {what}")
    if not 0 <= size <= _LARGEST_BLOB:
        raise DamagedImage(f"a part of {what} cannot have {shown(str(size))} bytes")
    platform = checked(found.get("platform") or {}, dict, f"a platform of {what}")
    notes = checked(found.get("annotations") or {}, dict, f"annotations of {what}")
    keys = ("org.opencontainers.image.ref.name", "io.containerd.image.name")
    return Descriptor(
        digest,
        size,
        str(found.get("mediaType") or ""),
        (
            str(platform.get("os") or ""),
            str(platform.get("architecture") or ""),
            str(platform.get("variant") or ""),
        ),
        tuple(str(notes[key]) for key in keys if key in notes),
    )
