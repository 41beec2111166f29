"""The scripts of a virtual environment that shows at another path in a sandbox.

A virtual environment finds its own packages wherever it is: by `pyvenv.cfg` beside its `bin`, which
Python looks for from the path it was started by (PEP 405). Only the scripts that installers write
name an absolute path, that of the environment's Python: sandboxes get copies that name the new one.
"""

from __future__ import annotations

import os
import re
import stat

#: How the two forms begin in which installers name the Python. The second one is for a path with
#: spaces, or one that is longer than the kernel reads of a first line (execve(2)).
_PYTHON = re.compile(rb"""\A(#!|#!/bin/sh\n'''exec' "?)(/[^\n"]*)/(?=python[\d.]*\b)""")
#: Larger files are programs, not scripts.
_LARGEST = 256 * 1024


def rewritten(environment: str, moved: str) -> dict[str, bytes]:
    """The scripts of a virtual environment for its other path, name to content.

    Args:
        environment: where the environment is on the machine.
        moved: where it is in sandboxes.
    """
    found: dict[str, bytes] = {}
    source = f"{environment}/bin"
    real = os.fsencode(os.path.realpath(source))
    for name in os.listdir(source):
        text = _read(f"{source}/{name}")
        begin = _PYTHON.match(text)
        if begin and os.path.realpath(begin[2]) == real:
            found[name] = begin[1] + os.fsencode(f"{moved}/bin") + text[begin.end(2) :]
    return found


def _read(path: str) -> bytes:
    """A file's content; nothing of what is no script that everybody may run."""
    try:
        info = os.lstat(path)
        if not stat.S_ISREG(info.st_mode) or info.st_size > _LARGEST or not info.st_mode & 0o001:
            return b""
        with open(path, "rb") as file:
            return file.read(_LARGEST)
    except FileNotFoundError:
        return b""  # an installer replaces it just now
