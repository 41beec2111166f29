"""GPUs that do not exist."""

import itertools
from collections.abc import Sequence

from pytest_sandbox._shared.gpus.kinds import misspelt
from pytest_sandbox._shared.gpus.simulated import SimulatedGpu, kind_to_simulate
from pytest_sandbox.engine import Gpus, Unsupported


class GpuPool:
    """The GPUs of one engine.

    Args:
        names: of those that there are: kinds of Modal, or any others; empty for as many of Modal's
            kinds as are asked for.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.there = [SimulatedGpu.of(number, name) for number, name in enumerate(names)]
        self._free = list(self.there)
        self._made_numbers: set[int] = set()

    def take(self, asked: Gpus | None) -> tuple[SimulatedGpu, ...]:
        """GPUs for a sandbox: those of the first request that can be met.

        Raises:
            Unsupported: there are not so many of the kind, or other sandboxes have them now. No
                `StoreFull`: letting images go does not help.
        """
        if asked is None:
            return ()
        refused: Unsupported | None = None
        for each in (asked, *asked.otherwise):
            try:
                return self._take(each) if self.there else self._made(each)
            except Unsupported as error:  # noqa: PERF203 - the loop is about the errors
                refused = refused or error
        assert refused is not None
        raise refused

    def _take(self, asked: Gpus) -> tuple[SimulatedGpu, ...]:
        there = [gpu for gpu in self.there if gpu.is_a(asked.kind)]
        free = [gpu for gpu in there if gpu in self._free]
        if len(there) < asked.count:
            names = [gpu.name for gpu in self.there]
            raise Unsupported(_shown(asked), f"there are {', '.join(names)}{_meant(asked, names)}")
        if len(free) < asked.count:
            raise Unsupported(_shown(asked), f"other sandboxes have all but {len(free)} of them")
        taken = tuple(free[: asked.count])
        self._free = [gpu for gpu in self._free if gpu not in taken]
        return taken

    def give_back(self, gpus: Sequence[SimulatedGpu]) -> None:
        """They are free again."""
        self._free = [gpu for gpu in self.there if gpu in self._free or gpu in gpus]
        self._made_numbers.difference_update(gpu.number for gpu in gpus)

    def _made(self, asked: Gpus) -> tuple[SimulatedGpu, ...]:
        try:
            kind = kind_to_simulate(asked.kind, asked.count)
        except ValueError as error:
            raise Unsupported(_shown(asked), str(error)) from error
        # The lowest ones that no sandbox has: those of a test do not depend on what was before it.
        free = (number for number in itertools.count() if number not in self._made_numbers)
        numbers = list(itertools.islice(free, asked.count))
        self._made_numbers.update(numbers)
        return tuple(SimulatedGpu.of(number, kind) for number in numbers)


def environment(gpus: Sequence[SimulatedGpu]) -> dict[str, str]:
    """What NVIDIA's container runtime and schedulers set in containers with GPUs."""
    if not gpus:
        return {}
    return {
        "CUDA_VISIBLE_DEVICES": ",".join(str(index) for index in range(len(gpus))),
        "NVIDIA_VISIBLE_DEVICES": ",".join(gpu.uuid for gpu in gpus),
    }


def _shown(asked: Gpus) -> str:
    return f"{asked.count} GPUs of kind {asked.kind!r}" if asked.kind else f"{asked.count} GPUs"


def _meant(asked: Gpus, names: Sequence[str]) -> str:
    meant = misspelt(asked.kind, names) if asked.kind else ""
    return f"; did you mean {meant!r}?" if meant else ""
