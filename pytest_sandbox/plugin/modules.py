"""Imports the client only once in a process, even where pytest runs inside pytest.

After an inner run, `pytester` removes from `sys.modules` what that run imported. The next inner
run would import the client again. That loads the C extension of protobuf twice, which crashes the
interpreter, and starts a second thread with an event loop, while nothing ends the first.
"""

import sys
from types import ModuleType

#: The packages of the client and of what it imports.
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

_remembered: dict[str, ModuleType] = {}


def remember() -> None:
    """Remember the modules of the client, if it was imported."""
    if "pytest_sandbox.client" in sys.modules:
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] in _ONCE:
                _remembered.setdefault(name, module)


def restore() -> None:
    """Put the remembered modules back into `sys.modules`."""
    for name, module in _remembered.items():
        sys.modules.setdefault(name, module)
