"""Checks of snapshots of files, directories and memory, of mounts and of volumes."""

from ..check import collect
from . import at_exit, export, layers, memory, mounts, snapshots, volumes, volumes_and_snapshots

#: In the order in which they are best read.
CHECKS = collect(snapshots, at_exit, layers, mounts, export, memory, volumes, volumes_and_snapshots)

__all__ = ["CHECKS"]
