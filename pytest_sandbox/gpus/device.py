"""A GPU of this machine."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GpuDevice:
    """A GPU of this machine.

    Attributes:
        index: its number in the order of `nvidia-smi`.
        uuid: how CUDA names it, `GPU-…`; the same after a restart.
        name: what `nvidia-smi` calls it.
        memory: its memory in MiB.
        driver: the version of the driver.
        minor: of its device node, `/dev/nvidia<minor>`.
    """

    index: int
    uuid: str
    name: str
    memory: int
    driver: str
    minor: int

    @property
    def node(self) -> str:
        """The path of its device node."""
        return f"/dev/nvidia{self.minor}"
