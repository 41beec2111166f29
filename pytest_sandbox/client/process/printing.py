"""Output of a command that goes to the standard output of this process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .splitting import split, splitter

if TYPE_CHECKING:
    from .output import OutputStream

__tracebackhide__ = True  # a failing test shows the caller's line, not these


async def print_output(output: OutputStream, *, text: bool, by_line: bool) -> None:
    """Copy a stream to `sys.stdout`, whatever that is when a part of the stream comes.

    Args:
        output: the stream.
        text: decode it as UTF-8; else it goes to `sys.stdout.buffer`.
        by_line: print whole lines.

    Raises:
        UnicodeDecodeError: it is to be text, and is not UTF-8.
    """
    async for items in split(output.chunks(), splitter(text=text, by_line=by_line)):
        for item in items:
            if text:
                sys.stdout.write(item.decode())
            else:
                sys.stdout.buffer.write(item)
            sys.stdout.flush()
