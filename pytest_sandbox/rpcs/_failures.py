"""What an assertion about calls says when it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._filter import Filter
    from ._record import Rpc

#: Calls that an error lists.
_LISTED = 20


def closest(near: list[Rpc], last: Filter) -> str:
    """The end of an error: what comes closest to a call that was not made.

    Args:
        near: calls that all filters but the last one accept.
        last: that filter.
    """
    if not near:
        return ""
    asked = [call for call in near if call.request is not None]
    if last.differences is None or not asked:
        return f"; there are:{listed(near)}"
    differing = {call: found for call in asked if (found := last.differences(call))}
    if not differing:
        return f"; there are:{listed(near)}"
    call = min(differing, key=lambda each: len(differing[each]))
    return f"; the closest of {len(near)} is {call!r}:\n  " + "\n  ".join(map(str, differing[call]))


def listed(calls: list[Rpc]) -> str:
    """The end of an error: a list of calls, not too long."""
    lines = [f"\n  {call!r}" for call in calls[:_LISTED]]
    if len(calls) > _LISTED:
        lines.append(f"\n  and {len(calls) - _LISTED} more")
    return "".join(lines) or " none at all"
