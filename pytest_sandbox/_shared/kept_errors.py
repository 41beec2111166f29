"""Errors that are kept, and raised whenever somebody asks for what they prevent."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    E = TypeVar("E", bound=BaseException)


def to_raise(kept: E) -> E:
    """A copy of an error that is kept, for one caller.

    What is raised holds the frames that it passes, and all that is in them; raised again, it holds
    the new ones too. So what is kept would hold the streams and buffers of every caller that it was
    raised to.
    """
    # The paths of an OSError are not among its `args`.
    arguments = OSError.__reduce__(kept)[1] if isinstance(kept, OSError) else kept.args
    copied = type(kept).__new__(type(kept), *arguments)
    vars(copied).update(vars(kept))
    copied.__cause__ = kept.__cause__
    copied.__suppress_context__ = kept.__suppress_context__
    return copied
