"""Handlers of signals as C has them: sigaction(2)."""

from __future__ import annotations

import ctypes

from .calls import NOW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .calls import PreparedCalls

#: `struct sigaction` of the C library takes less, everywhere.
_Action = ctypes.c_char * 512


def prepare_handler(number: int, calls: PreparedCalls) -> None:
    """Have `calls` give a child that this process clones its handler of a signal.

    Children begin without any: see `clone`. What Python calls for the signal they have from here,
    and `signal.signal` would take as long as the tenth part of all other calls.
    """
    action = _Action()
    NOW.add("sigaction", number, None, action)
    calls.add("sigaction", number, action, None)
