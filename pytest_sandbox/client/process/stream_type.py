"""Where the output of a command goes."""

from __future__ import annotations

import subprocess
from enum import Enum

from ..exceptions import InvalidError


class StreamType(Enum):
    """Where an output stream of a command goes, with the values of `subprocess`.

    Attributes:
        PIPE: it can be read.
        DEVNULL: nowhere.
        STDOUT: for `stdout`, to this process' standard output as it comes; for `stderr`, to
            the same place as the command's own `stdout`.
    """

    PIPE = subprocess.PIPE
    DEVNULL = subprocess.DEVNULL
    STDOUT = subprocess.STDOUT

    @classmethod
    def of(cls, value: object, name: str) -> StreamType:
        """This enum's member for one of ours, of Modal's, or a constant of `subprocess`.

        Raises:
            InvalidError: it is none of those.
        """
        try:
            return cls(getattr(value, "value", value))
        except ValueError:
            raise InvalidError(f"{name}={value!r} is none of PIPE, DEVNULL and STDOUT") from None


#: `stdout=PIPE`, the default: the output can be read.
PIPE = StreamType.PIPE
#: `stdout=DEVNULL`: the output is dropped.
DEVNULL = StreamType.DEVNULL
#: `stdout=STDOUT`: the output is printed here; `stderr=STDOUT`: errors are in `stdout` too.
STDOUT = StreamType.STDOUT
