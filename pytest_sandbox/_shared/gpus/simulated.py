"""GPUs that do not exist, as the engine in memory has them."""

from .kinds import KINDS, is_of_kind, misspelt
from .simulated_smi import SmiGpu

#: What one asks for that names no kind.
ANY_KIND = "T4"
#: How many of one kind a sandbox may have; Modal's own limit.
_MOST = 8
_UNKNOWN_SIZE = 16384


class SimulatedGpu(SmiGpu):
    """One of them.

    Args:
        number: each of an engine has another.
        kind: as it was asked for, or given.
        name: what `nvidia-smi` calls it.
        memory: its MiB.
    """

    def __init__(self, number: int, kind: str, name: str, memory: int) -> None:
        super().__init__(f"GPU-00000000-0000-4000-8000-{number:012d}", name, memory)
        self.number = number
        self.kind = kind

    @classmethod
    def of(cls, number: int, name: str) -> "SimulatedGpu":
        """One by what may be a kind, or a name already."""
        known = KINDS.get(name.upper(), (name, dict(KINDS.values()).get(name, _UNKNOWN_SIZE)))
        return cls(number, name, *known)

    def is_a(self, kind: str) -> bool:
        """Whether it is of a kind, as one asks for it: all words of that are in its names."""
        return is_of_kind(kind, self.kind, self.name)


def kind_to_simulate(kind: str, count: int, memory: "int | None" = None) -> str:
    """The kind of Modal's that a request gets.

    Args:
        kind: as it was asked for; empty for any.
        count: how many.
        memory: MiB that each has to have at least.

    Raises:
        ValueError: there is no such kind, or they are too many or too small; says which.
    """
    asked = (kind or ANY_KIND).upper().rstrip("!+")
    by_name = (key for key, (name, _) in KINDS.items() if is_of_kind(asked, key, name))
    known = asked if asked in KINDS else next(by_name, "")
    if not known:
        meant = misspelt(kind)
        hint = f"; did you mean {meant!r}?" if meant else ""
        raise ValueError(f"there are {', '.join(KINDS)}{hint}")
    if count > _MOST:
        raise ValueError(f"a sandbox can have {_MOST} at most")
    if memory is not None and memory > KINDS[known][1]:
        raise ValueError(f"each {known} has {KINDS[known][1]} MiB")
    return known
