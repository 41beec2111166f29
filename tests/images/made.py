"""Images made for tests: layers from files, and all documents around them."""

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OCI = "application/vnd.oci.image"
MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
OTHER = "arm64" if MACHINE == "amd64" else "amd64"


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def layer(files: Mapping[str, bytes]) -> bytes:
    """A tar of these files."""
    with io.BytesIO() as target:
        with tarfile.open(fileobj=target, mode="w") as tar:
            for name, data in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        return target.getvalue()


@dataclass
class Made:
    """An image, or an index of several, and all blobs that it needs.

    Attributes:
        top: the manifest or the index.
        blobs: all of them by digest, the top one too.
        layers: digests of the layers, the lowest first.
        diff_ids: of the same.
        media_type: of the top one.
    """

    top: bytes
    blobs: dict[str, bytes]
    layers: list[str] = field(default_factory=list)
    diff_ids: list[str] = field(default_factory=list)
    media_type: str = f"{OCI}.manifest.v1+json"

    @property
    def digest(self) -> str:
        return digest(self.top)

    def descriptor(self, **more: Any) -> dict[str, Any]:
        return {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": len(self.top),
            **more,
        }


def image(
    *layers: Mapping[str, bytes],
    config: Mapping[str, Any] | None = None,
    compress: Any = lambda data: gzip.compress(data, mtime=0),
    **manifest: Any,
) -> Made:
    """An image with these layers; further fields replace those of its manifest."""
    blobs: dict[str, bytes] = {}
    listed: list[dict[str, Any]] = []
    diff_ids: list[str] = []
    for files in layers or [{"etc/name": b"made"}]:
        plain = layer(files)
        packed = compress(plain)
        blobs[digest(packed)] = packed
        diff_ids.append(digest(plain))
        listed.append(
            {
                "mediaType": f"{OCI}.layer.v1.tar+gzip",
                "digest": digest(packed),
                "size": len(packed),
            }
        )
    settings = json.dumps(
        {
            "architecture": MACHINE,
            "os": "linux",
            "config": config or {},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        }
    ).encode()
    blobs[digest(settings)] = settings
    top = json.dumps(
        {
            "schemaVersion": 2,
            "config": {"digest": digest(settings), "size": len(settings)},
            "layers": listed,
            **manifest,
        }
    ).encode()
    blobs[digest(top)] = top
    return Made(top, blobs, [each["digest"] for each in listed], diff_ids)


def index(images: Mapping[str, Made], *further: Mapping[str, Any]) -> Made:
    """An index of images by platform, `linux/amd64`; with further entries before them."""
    listed = [*further]
    blobs: dict[str, bytes] = {}
    for platform, made in images.items():
        system, _, machine = platform.partition("/")
        listed.append(made.descriptor(platform={"os": system, "architecture": machine}))
        blobs |= made.blobs
    top = json.dumps({"schemaVersion": 2, "manifests": listed}).encode()
    return Made(top, {**blobs, digest(top): top}, media_type=f"{OCI}.index.v1+json")


def layout(folder: Path, made: Made | Sequence[tuple[str, Made]]) -> Path:
    """Write an OCI layout: one image, or several with tags."""
    images = [("", made)] if isinstance(made, Made) else made
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    listed = []
    for tag, each in images:
        notes = {"org.opencontainers.image.ref.name": tag} if tag else {}
        listed.append(each.descriptor(annotations=notes))
        for name, data in each.blobs.items():
            (blobs / name.removeprefix("sha256:")).write_bytes(data)
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": listed}))
    return folder


def packed(folder: Path, target: Path, mode: str = "w") -> Path:
    """A folder as a tar."""
    with tarfile.open(target, mode) as tar:  # type: ignore[call-overload]
        tar.add(folder, ".")
    return target


def saved(target: Path, *images: tuple[str, Made], layers: str = "layer.tar") -> Path:
    """What `docker save` before version 25 writes: layers as plain tars."""
    listed = []
    files: dict[str, bytes] = {}
    for name, made in images:
        top = json.loads(made.top)
        config = made.blobs[top["config"]["digest"]]
        path = f"{digest(config)[7:]}.json"
        files[path] = config
        paths = []
        for packed_digest, diff_id in zip(made.layers, made.diff_ids, strict=True):
            paths.append(f"{diff_id[7:]}/{layers}")
            files[paths[-1]] = gzip.decompress(made.blobs[packed_digest])
        listed.append({"Config": path, "RepoTags": [name] if name else None, "Layers": paths})
    files["manifest.json"] = json.dumps(listed).encode()
    target.write_bytes(layer(files))
    return target
