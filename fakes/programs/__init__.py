"""The programs that every sandbox in memory has, except its shell."""

from .printing import posix_echo as posix_echo
from .registry import PROGRAMS as PROGRAMS
from .registry import UTILITIES as UTILITIES
from .utility import NotSupported as NotSupported
from .utility import Utility as Utility
from .utility import complain as complain
from .utility import execute as execute
from .utility import problem as problem
from .utility import refuse as refuse
from .utility import run as run
from .utility import signal_number as signal_number

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
