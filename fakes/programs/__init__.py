"""The programs that every sandbox in memory has, except its shell."""

from .dialect import Dialect as Dialect
from .registry import PROGRAMS as PROGRAMS
from .registry import SHELL_UTILITIES as SHELL_UTILITIES
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
    "SHELL_UTILITIES",
    "UTILITIES",
    "Dialect",
    "NotSupported",
    "Utility",
    "complain",
    "execute",
    "problem",
    "refuse",
    "run",
    "signal_number",
]
