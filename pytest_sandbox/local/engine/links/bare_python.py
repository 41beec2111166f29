"""Starting a process of the engine's own, apart from the engine itself.

It is a Python that sees no site-packages, no environment, and none of our files but the few
modules it is made of.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

#: Imports a module without running any `__init__` of the package or of a part of it, which would
#: import the rest. What it does is done when it returns: the interpreter need not be taken apart,
#: which takes its time. The same is true of the search for garbage in what is imported.
_BOOTSTRAP = """
import gc, os, sys, types
gc.disable()
for name in {parts}:
    module = types.ModuleType("pytest_sandbox" + name)
    module.__path__ = [sys.argv[2] + name.replace(".", "/")]
    sys.modules[module.__name__] = module
from pytest_sandbox.{module} import main
gc.enable()
main()
os._exit(0)
"""


def launch(module: str, sock: socket.socket, errors: int) -> subprocess.Popen[bytes]:
    """Start a process that calls `main` of a module.

    Args:
        module: its name below `pytest_sandbox`.
        sock: its end of the socket to the engine, whose number is its first argument.
        errors: where its standard error goes.

    Raises:
        OSError: it cannot be started.
    """
    links = os.path.dirname(os.path.abspath(__file__))
    local = os.path.dirname(os.path.dirname(links))
    number = str(sock.fileno())
    parts = ["", *dict.fromkeys((".local", f".{module.partition('.')[0]}"))]
    return subprocess.Popen(
        [
            # -I and -E: ignore Python's environment variables, and import no module from the
            # current directory or the user's site-packages. -S: do not import `site`, which would
            # read the .pth files of the environment.
            *(sys.executable, "-I", "-S", "-E", "-X", "utf8", "-c"),
            *(_BOOTSTRAP.format(module=module, parts=parts), number, os.path.dirname(local)),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        # Else it would be in the way of unmounting or removing the folder of the test run.
        cwd="/",
        env={"LC_ALL": "C.UTF-8"},
        pass_fds=[sock.fileno()],
    )
