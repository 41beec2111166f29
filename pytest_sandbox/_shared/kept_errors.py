"""Errors that are kept, and raised whenever somebody asks for what they prevent."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    E = TypeVar("E", bound=BaseException)


def to_raise(kept: E) -> E:
    """A copy of an error that is kept, for one caller.

    What is raised holds the frames that it passes, and all that is in them; raised again, it holds
    the new ones too. So what is kept would hold the streams and buffers of every caller that it was
    raised to. Its class makes nothing of the copy, since it may take other arguments than `args`.
    """
    # The paths of an OSError are not among its `args`.
    arguments = OSError.__reduce__(kept)[1] if isinstance(kept, OSError) else kept.args
    kind = type(kept)
    copied = kind.__new__(kind, *arguments)
    # What Python's own classes keep apart, such as the number of an `OSError`, they set there.
    own: Any = next(each for each in kind.__mro__ if each.__module__ == "builtins")
    own.__init__(copied, *arguments)
    copied.args = kept.args
    vars(copied).update(vars(kept))
    if notes := vars(kept).get("__notes__"):
        vars(copied)["__notes__"] = [*notes]  # each caller may add its own
    copied.__cause__ = kept.__cause__
    copied.__suppress_context__ = kept.__suppress_context__
    return copied
