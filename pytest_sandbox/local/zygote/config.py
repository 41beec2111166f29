"""What all sandboxes of one zygote have in common."""

from __future__ import annotations

from ..filesystem.host_trees import shown_in
from ..filesystem.mapped_mounts import stage_paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..agent.harden import Hardening
    from ..filesystem.gpu_mounts import GpuMounts
    from ..filesystem.host_trees import HostTree
    from ..filesystem.layers import Layers
    from ..filesystem.masked_paths import MaskedPaths
    from ..filesystem.volume_mounts import VolumeStore
    from ..protocol.forker import SandboxPlan
    from ..protocol.zygote import CreateRequest


class SandboxConfig:
    """Made once by the zygote; each sandbox has it because it is forked from a copy of that.

    Args:
        trees: folders of the machine that show, in the order in which they are mounted.
        layers: those there are.
        volumes: those there are.
        gpus: what there is of the machine's GPUs.
        size: bytes that a sandbox may write.
        inodes: files that a sandbox may make.
        masked: paths of the kernel's that are hidden or read-only.
        hardening: what PID 1 takes from itself.
        own_ids: whether each sandbox has ids of the machine of its own.
        is_root: whether files of PID 1 may belong to root of a sandbox.
        no_hostname: why it cannot have a host name of its own; empty if it can.
    """

    def __init__(
        self,
        trees: list[HostTree],
        layers: Layers,
        volumes: VolumeStore,
        gpus: GpuMounts,
        size: int,
        inodes: int,
        masked: MaskedPaths,
        hardening: Hardening,
        *,
        own_ids: bool,
        is_root: bool,
        no_hostname: str,
    ) -> None:
        self.trees = trees
        self.layers = layers
        self.volumes = volumes
        self.gpus = gpus
        self.size = size
        self.inodes = inodes
        self.masked = masked
        self.hardening = hardening
        self.is_root = is_root
        self.no_hostname = no_hostname
        self._own_ids = own_ids

    def with_layers(self, layers: Layers) -> SandboxConfig:
        """The same with other layers."""
        other = SandboxConfig.__new__(SandboxConfig)
        other.__dict__.update(self.__dict__)
        other.layers = layers
        return other

    def mapped(self, layers: list[int]) -> list[str]:
        """Paths in the stage whose owners have to be mapped for work on one sandbox.

        Args:
            layers: numbers of those that the work needs.
        """
        return self._paths(self.trees, layers, []) if self._own_ids else []

    def mapped_ahead(self) -> list[str]:
        """Paths in the stage whose owners have to be mapped for most sandboxes."""
        return self._paths(self.trees_of([], project=False), [], []) if self._own_ids else []

    def mapped_for(self, request: CreateRequest | SandboxPlan) -> list[str]:
        """Paths in the stage whose owners have to be mapped for a new sandbox."""
        if not self._own_ids:
            return []
        volumes = [volume.number for volume in request.volumes]
        trees = self.trees_of(request.layers, project=request.project)
        return self._paths(trees, request.layers, volumes)

    def trees_of(self, stack: list[int], *, project: bool) -> list[HostTree]:
        """The folders of the machine that a sandbox shows.

        Args:
            stack: numbers of the layers that its root begins with.
            project: whether it shows the project.
        """
        return shown_in(self.trees, project=project, image=self.layers.are_of_image(stack))

    def _paths(self, trees: list[HostTree], stack: list[int], volumes: list[int]) -> list[str]:
        image = self.layers.are_of_image(stack)
        return stage_paths(trees, self.layers.stores(stack), volumes, image=image)
