"""Faults of calls, as plain data."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.rpcs import CallFault, Faults

#: Calls that most tests make.
USUAL_RPCS = (
    "SandboxCreate",
    "SandboxTerminate",
    "SandboxWait",
    "TaskExecStart",
    "TaskExecStdinWrite",
    "TaskExecStdioRead",
    "TaskExecWait",
)
#: The only one of them that gives a stream.
_STREAM = "TaskExecStdioRead"
#: Statuses that say nothing against the request, so that clients repeat it.
_TRANSIENT = ("DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE", "UNKNOWN")
_FINAL = ("INVALID_ARGUMENT", "NOT_FOUND", "PERMISSION_DENIED", "FAILED_PRECONDITION")


@dataclass(frozen=True)
class PlannedFault:
    """One call that goes wrong, once, as `Faults.on` describes it.

    Attributes:
        rpc: the name of the call.
        nth: which of them, counted from 1.
        delay: seconds that pass before.
        status: the name of the status that it ends with; `None` for another effect.
        retry_after: seconds after which it may be repeated, says a rate limit.
        drop_response: it is carried out, and the answer is lost.
        cut_after_bytes: its stream ends after that much.
    """

    rpc: str
    nth: int = 1
    delay: float = 0.0
    status: str | None = None
    retry_after: float | None = None
    drop_response: bool = False
    cut_after_bytes: int | None = None

    def set_on(self, faults: Faults) -> CallFault:
        """Set it as optional: such a call may never be made."""
        fault = faults.on(self.rpc, nth=self.nth).optional()
        if self.delay:
            fault.delay(self.delay)
        if self.status is not None:
            fault.status(self.status)
        if self.retry_after is not None:
            fault.rate_limit(retry_after=self.retry_after)
        if self.drop_response:
            fault.drop_response()
        if self.cut_after_bytes is not None:
            fault.cut_stream(after_bytes=self.cut_after_bytes)
        return fault


def fault_plans(
    rpcs: Sequence[str] = USUAL_RPCS, *, transient: bool = True, max_faults: int = 3
) -> st.SearchStrategy[list[PlannedFault]]:
    """Faults to set before a test, in any number up to `max_faults`.

    Args:
        rpcs: the calls to disturb.
        transient: only what a client gets over by repeating the call; with up to three faults
            no call of the client here gets more of them than it repeats. Else also statuses
            that are an answer.
        max_faults: how many there are at most.
    """
    statuses = _TRANSIENT if transient else _TRANSIENT + _FINAL
    soon = st.floats(0, 0.02, allow_nan=False)
    effects: list[st.SearchStrategy[dict[str, Any]]] = [
        st.just({}),
        st.fixed_dictionaries({"status": st.sampled_from(statuses)}),
        st.fixed_dictionaries({"retry_after": soon}),
        st.just({"drop_response": True}),
    ]
    cut = st.fixed_dictionaries({"cut_after_bytes": st.integers(0, 10)})

    def fault(rpc: str) -> st.SearchStrategy[PlannedFault]:
        effect = st.one_of([*effects, cut] if rpc == _STREAM else effects)
        drawn = st.tuples(st.integers(1, 3), st.just(0.0) | soon, effect)
        return drawn.map(lambda each: PlannedFault(rpc, each[0], each[1], **each[2]))

    return st.lists(st.sampled_from(rpcs).flatmap(fault), max_size=max_faults)
