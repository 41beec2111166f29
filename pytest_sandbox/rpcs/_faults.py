"""The faults of a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_sandbox._proto import inspector_pb2 as pb

from ._call_fault import CallFault
from ._fault import FaultList, SandboxFault, check_seconds, sandbox_id
from ._names import signature

if TYPE_CHECKING:
    from collections.abc import Iterable


class Faults(FaultList["CallFault | SandboxFault"]):
    """The faults that a test sets on an engine.

    Args:
        plan: where they are set: `Client.inspector`, or the injector of a server.
        caller: only for calls of this caller; see `Rpcs`.
    """

    def on(self, rpc: str, *others: str, nth: int | None = None) -> CallFault:
        """A fault of calls of that name, or of one of several.

        Args:
            rpc: `"TaskExecStart"`. A name of the first version, `"SandboxCreate"`, means that of
                the second, `"SandboxCreateV2"`, too.
            *others: further names.
            nth: the first call that the fault affects, counted from 1; by default the next one.

        Raises:
            ValueError: there is no such RPC, or `nth` is less than 1.
        """
        if nth is not None and nth < 1:
            raise ValueError(f"nth={nth!r}: calls are counted from 1")
        names = [rpc, *others]
        for name in names:
            signature(name)
        words = f"on({', '.join(map(repr, names))}{f', nth={nth}' if nth else ''})"
        return self._add(words, pb.CallFault(rpcs=names, nth=nth or 1, times=1))

    def random(self, seed: int | str, *, rate: float, among: Iterable[str]) -> CallFault:
        """A fault of calls chosen at random, the same ones for the same seed.

        Whether the fault affects a call depends on the seed, the name of the call, and how many
        of that name came before it. Without another effect, the call ends with `UNAVAILABLE`.

        Args:
            seed: any number or text.
            rate: from 0 to 1.
            among: names of calls.

        Raises:
            ValueError: there is no such RPC, none is given, or the rate is no rate.
        """
        names = [among] if isinstance(among, str) else list(among)
        if not names:
            raise ValueError("among: name at least one RPC")
        for name in names:
            signature(name)
        if not 0 <= rate <= 1:
            raise ValueError(f"rate={rate!r} is not between 0 and 1")
        chance = pb.Chance(seed=str(seed), rate=rate)
        words = f"random({seed!r}, rate={rate!r}, among={names!r})"
        fault = self._add(words, pb.CallFault(rpcs=names, nth=1, chance=chance))
        fault.set()
        return fault

    def vanish(self, sandbox: Any, *, at: float | None = None) -> SandboxFault:
        """Lose the worker of a sandbox: the sandbox ends with an internal failure.

        Args:
            sandbox: the sandbox or its id.
            at: seconds after its creation, on the engine's clock; by default at once.

        Raises:
            ValueError: `at` is negative, or it is no sandbox.
        """
        return self._end("vanish", sandbox, "lost", at)

    def oom(self, sandbox: Any, *, at: float | None = None) -> SandboxFault:
        """Run a sandbox out of memory: the kernel kills its main process.

        Args:
            sandbox: the sandbox or its id.
            at: as for `vanish`.

        Raises:
            ValueError: `at` is negative, or it is no sandbox.
        """
        return self._end("oom", sandbox, "out of memory", at)

    def _add(self, words: str, call: pb.CallFault) -> CallFault:
        fault = CallFault(self._plan, self._caller, words, call)
        self._planned.append(fault)
        return fault

    def _end(self, verb: str, sandbox: Any, cause: str, at: float | None) -> SandboxFault:
        ended = sandbox_id(sandbox)
        timed = "" if at is None else f", at={at!r}"
        ending = pb.SandboxFault(sandbox_id=ended, cause=cause, at=check_seconds("at", at or 0.0))
        fault = SandboxFault(self._plan, self._caller, f"{verb}({ended!r}{timed})", ending)
        fault.set()
        self._planned.append(fault)
        return fault
