"""The client is imported once in a process, also where pytest runs inside of pytest.

`pytester` forgets, after an inner run, what was imported in it. The next inner run would import
the client again, and with it the C extension of protobuf, which crashes the interpreter when it
is loaded twice; and there would be two threads with an event loop, of which one is never ended.
"""

import sys
from types import ModuleType

#: The client, and what it is made of.
_ONCE = {
    "_asyncio",
    "asyncio",
    "concurrent",
    "google",
    "grpclib",
    "h2",
    "hpack",
    "hyperframe",
    "multidict",
    "pytest_sandbox",
}

_kept: dict[str, ModuleType] = {}


def keep() -> None:
    """Remember the client and its modules, if it was imported."""
    if "pytest_sandbox.client" in sys.modules:
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] in _ONCE:
                _kept.setdefault(name, module)


def give_back() -> None:
    """Put back what was forgotten."""
    for name, module in _kept.items():
        sys.modules.setdefault(name, module)
