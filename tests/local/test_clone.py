"""Forking by `clone3(2)`: what the new process has of its parent."""

import subprocess
import sys

CHILD = """
import os, signal
from pytest_sandbox.local.kernel.clone import clone

signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
signal.signal(signal.SIGINT, signal.SIG_IGN)

def caught() -> None:
    with open("/proc/self/status") as file:
        lines = dict(line.split(":", 1) for line in file)
    os._exit(int(lines["SigCgt"], 16) != 0)

print(os.waitstatus_to_exitcode(os.waitpid(clone(0, caught), 0)[1]))
"""


def test_a_child_has_no_handlers_of_signals() -> None:
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
