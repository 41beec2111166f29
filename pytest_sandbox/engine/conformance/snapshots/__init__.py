"""Checks of snapshots of files, directories and memory, of mounts, of volumes and of images."""

from ..check import collect
from . import (
    at_exit,
    export,
    images,
    layers,
    memory,
    mounts,
    snapshots,
    volumes,
    volumes_and_snapshots,
)

#: In the order in which they are best read.
CHECKS = collect(
    *(snapshots, at_exit, layers, mounts, export, memory, volumes, volumes_and_snapshots),
    images,
)

__all__ = ["CHECKS"]
