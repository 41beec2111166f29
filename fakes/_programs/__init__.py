"""The programs that every sandbox in memory has."""

from ._registry import PROGRAMS as PROGRAMS
from ._registry import UTILITIES as UTILITIES
from ._text import posix_echo as posix_echo
from ._utility import NotSupported as NotSupported
from ._utility import Utility as Utility
from ._utility import complain as complain
from ._utility import execute as execute
from ._utility import problem as problem
from ._utility import refuse as refuse
from ._utility import run as run
from ._utility import signal_number as signal_number

__all__ = [
    "PROGRAMS",
    "UTILITIES",
    "NotSupported",
    "Utility",
    "complain",
    "execute",
    "posix_echo",
    "problem",
    "refuse",
    "run",
    "signal_number",
]
