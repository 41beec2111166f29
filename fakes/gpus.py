"""GPUs that do not exist."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_sandbox.engine import Gpus, Unsupported

#: The kinds that Modal has, as one asks for them: what `nvidia-smi` calls them, and their MiB.
_KINDS = {
    "T4": ("Tesla T4", 15360),
    "L4": ("NVIDIA L4", 23034),
    "A10": ("NVIDIA A10G", 23028),
    "A10G": ("NVIDIA A10G", 23028),
    "A100": ("NVIDIA A100-SXM4-40GB", 40960),
    "A100-40GB": ("NVIDIA A100-SXM4-40GB", 40960),
    "A100-80GB": ("NVIDIA A100-SXM4-80GB", 81920),
    "L40S": ("NVIDIA L40S", 46068),
    "RTX-PRO-6000": ("NVIDIA RTX PRO 6000 Blackwell Server Edition", 97887),
    "H100": ("NVIDIA H100 80GB HBM3", 81559),
    "H200": ("NVIDIA H200", 143771),
    "B200": ("NVIDIA B200", 183359),
}
_ANY_KIND = "T4"
_UNKNOWN_SIZE = 16384
#: How many of one kind a sandbox may have, unless the engine was given a list; Modal's own limit.
_MOST = 8


@dataclass(frozen=True)
class Gpu:
    """One of them.

    Attributes:
        number: each of an engine has another.
        kind: as it was asked for, or given.
        name: what `nvidia-smi` calls it.
        memory: its MiB.
    """

    number: int
    kind: str
    name: str
    memory: int

    @property
    def uuid(self) -> str:
        """How CUDA names it, wherever it is."""
        return f"GPU-00000000-0000-4000-8000-{self.number:012d}"

    def is_a(self, kind: str) -> bool:
        """Whether it is of a kind, as one asks for it: all words of that are in its names."""
        return set(_words(kind)) <= {*_words(self.kind), *_words(self.name)}


class GpuPool:
    """The GPUs of one engine.

    Args:
        names: of those that there are: kinds of Modal, or any others; empty for as many of Modal's
            kinds as are asked for.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.there = [Gpu(n, name, *_known(name)) for n, name in enumerate(names)]
        self._free = list(self.there)
        self._next_number = len(names)

    def take(self, asked: Gpus | None) -> tuple[Gpu, ...]:
        """GPUs for a sandbox.

        Raises:
            Unsupported: there are not so many of the kind, or other sandboxes have them now. No
                `StoreFull`: letting images go does not help.
        """
        if asked is None:
            return ()
        if not self.there:
            return self._made(asked)
        there = [gpu for gpu in self.there if gpu.is_a(asked.kind)]
        free = [gpu for gpu in there if gpu in self._free]
        if len(there) < asked.count:
            raise Unsupported(
                _shown(asked), f"there are {', '.join(gpu.name for gpu in self.there)}"
            )
        if len(free) < asked.count:
            raise Unsupported(_shown(asked), f"other sandboxes have all but {len(free)} of them")
        taken = tuple(free[: asked.count])
        self._free = [gpu for gpu in self._free if gpu not in taken]
        return taken

    def give_back(self, gpus: Sequence[Gpu]) -> None:
        """They are free again."""
        self._free = [gpu for gpu in self.there if gpu in self._free or gpu in gpus]

    def _made(self, asked: Gpus) -> tuple[Gpu, ...]:
        kind = (asked.kind or _ANY_KIND).upper()
        if kind not in _KINDS:
            raise Unsupported(_shown(asked), f"there are {', '.join(_KINDS)}")
        if asked.count > _MOST:
            raise Unsupported(_shown(asked), f"a sandbox can have {_MOST} at most")
        first = self._next_number
        self._next_number += asked.count
        return tuple(Gpu(first + index, kind, *_KINDS[kind]) for index in range(asked.count))


def environment(gpus: Sequence[Gpu]) -> dict[str, str]:
    """What NVIDIA's container runtime and schedulers set in containers with GPUs."""
    if not gpus:
        return {}
    return {
        "CUDA_VISIBLE_DEVICES": ",".join(str(index) for index in range(len(gpus))),
        "NVIDIA_VISIBLE_DEVICES": ",".join(gpu.uuid for gpu in gpus),
    }


def _known(name: str) -> tuple[str, int]:
    """The full name and the size of what may be a kind, or a name already."""
    return _KINDS.get(name.upper(), (name, dict(_KINDS.values()).get(name, _UNKNOWN_SIZE)))


def _shown(asked: Gpus) -> str:
    return f"{asked.count} GPUs of kind {asked.kind!r}" if asked.kind else f"{asked.count} GPUs"


def _words(name: str) -> list[str]:
    return re.findall(r"[A-Z0-9]+", name.upper())
