"""Starting the zygote.

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

#: Imports the zygote without running any `__init__` of the package, which would import the rest.
_BOOTSTRAP = """
import sys, types
for name, path in (("pytest_sandbox", sys.argv[2]), ("pytest_sandbox.local", sys.argv[3])):
    module = types.ModuleType(name)
    module.__path__ = [path]
    sys.modules[name] = module
from pytest_sandbox.local.zygote.zygote import main
main()
"""


def launch(sock: socket.socket, errors: int) -> subprocess.Popen[bytes]:
    """Start a zygote.

    Args:
        sock: its end of the control socket.
        errors: where its last words go if it dies of an error of ours.
    """
    links = os.path.dirname(os.path.abspath(__file__))
    local = os.path.dirname(os.path.dirname(links))
    number = str(sock.fileno())
    return subprocess.Popen(
        [
            *(sys.executable, "-I", "-S", "-E", "-X", "utf8", "-c", _BOOTSTRAP),
            *(number, os.path.dirname(local), local),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        cwd="/",
        env={"LC_ALL": "C.UTF-8"},
        pass_fds=[sock.fileno()],
    )
