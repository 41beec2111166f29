"""The folder of snapshots that are stored for later runs: what is in it, and emptying it.

`server.snapshots.disk_cache` says how it is laid out. Every function blocks.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True)
class SnapshotOnDisk:
    """One that is stored.

    Attributes:
        name: tells it from others.
        is_layer: whether it is a layer of a build; else it is the image of a template.
        size: bytes of its content.
        used: when it was used last, in seconds since the Unix epoch.
    """

    name: str
    is_layer: bool
    size: int
    used: float


def folder_of(environ: Mapping[str, str]) -> Path:
    """The folder that the environment variables name."""
    home = environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(home, "pytest-sandbox", "images")


def stored_snapshots(folder: Path) -> list[SnapshotOnDisk]:
    """What is stored, the least recently used first."""
    found = []
    with _locked(folder):
        for path in _files(folder / "keys"):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                key = json.loads(path.read_bytes())
                size = (folder / "blobs" / key["blob"]).stat().st_size
                is_layer = "whole" in key["about"]
                found.append(SnapshotOnDisk(path.name, is_layer, size, path.stat().st_mtime))
    return sorted(found, key=lambda each: each.used)


def remove_all(folder: Path) -> None:
    """Remove all that is stored; a run that loads one of them has it open, and goes on."""
    with _locked(folder):
        for path in (*_files(folder / "keys"), *_files(folder / "blobs")):
            path.unlink()


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    if not folder.is_dir():
        yield
        return
    with (folder / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
