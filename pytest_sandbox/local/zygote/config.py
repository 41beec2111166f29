"""What all sandboxes of one zygote have in common."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..agent.harden import Hardening
    from ..filesystem.host_trees import HostTree
    from ..filesystem.layers import Layers
    from ..filesystem.masked_paths import MaskedPaths
    from ..filesystem.volume_mounts import VolumeStore


class SandboxConfig:
    """Made once by the zygote; each sandbox has it because it is forked from there.

    Args:
        trees: folders of the machine that show, in the order in which they are mounted.
        layers: those there are.
        volumes: those there are.
        size: bytes that a sandbox may write.
        inodes: files that a sandbox may make.
        masked: paths of the kernel's that are hidden or read-only.
        hardening: what PID 1 takes from itself.
    """

    def __init__(
        self,
        trees: list[HostTree],
        layers: Layers,
        volumes: VolumeStore,
        size: int,
        inodes: int,
        masked: MaskedPaths,
        hardening: Hardening,
    ) -> None:
        self.trees = trees
        self.layers = layers
        self.volumes = volumes
        self.size = size
        self.inodes = inodes
        self.masked = masked
        self.hardening = hardening
