"""Checks of snapshots of files, directories and memory, of mounts and of volumes."""

from ..check import collect
from . import export, layers, memory, mounts, snapshots, volume_images, volumes

#: In the order in which they are best read.
CHECKS = collect(snapshots, layers, mounts, export, memory, volumes, volume_images)

__all__ = ["CHECKS"]
