"""Errors of the kernel as messages."""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..wire import Message


def describe(error: OSError) -> Message:
    """An error as a message: its number, what it was about, and the kernel's words."""
    name = error.filename
    return {
        "errno": error.errno or errno.EIO,
        "path": os.fsdecode(name) if isinstance(name, (str, bytes)) else "",
        "text": (error.strerror or str(error))[:1000],
    }
