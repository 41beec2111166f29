"""A GPU of this machine."""

from pytest_sandbox._shared.lazy_dataclass import dataclass


@dataclass(frozen=True)
class GpuDevice:
    """A GPU of this machine, or a part of one that is divided (MIG).

    Attributes:
        index: its number in the order of `nvidia-smi`.
        uuid: how CUDA names it, `GPU-…`; the same after a restart. Of a part, `MIG-…`.
        name: what `nvidia-smi` calls it.
        memory: its memory in MiB.
        driver: the version of the driver.
        minor: of its device node, `/dev/nvidia<minor>`.
        part: of a part, its number in the GPU; `None` for a whole one.
    """

    index: int
    uuid: str
    name: str
    memory: int
    driver: str
    minor: int
    part: int | None = None

    @property
    def node(self) -> str:
        """The path of its device node."""
        return f"/dev/nvidia{self.minor}"

    @property
    def place(self) -> tuple[int, int]:
        """What they are sorted by."""
        return self.index, self.part or 0

    @property
    def number(self) -> str:
        """The index; of a part, that of the GPU and its own: `0:1`."""
        return str(self.index) if self.part is None else f"{self.index}:{self.part}"

    def __str__(self) -> str:
        """As reports name it: `GPU 0 (NVIDIA L4)`."""
        return f"GPU {self.number} ({self.name})"
