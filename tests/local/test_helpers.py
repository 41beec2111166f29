"""Helpers of the zygote: what they have of a sandbox when they have answered."""

import subprocess
import sys

import pytest

#: A helper that answers and then does not end, and what it has: its directory, and how many
#: descriptors.
PROGRAM = """
import ctypes, os, signal
from pytest_sandbox.local.zygote.helper import Helper

def work():
    os.chdir("/proc/self")
    folder = os.open(".", os.O_PATH)
    {end}

os._exit = lambda code: signal.pause()
kept = ctypes.c_long(-1)
helper = Helper(work, [], kept=[kept])
try:
    helper.answer()
except OSError:
    pass
has = os.readlink(f"/proc/{{helper.pid}}/cwd"), len(os.listdir(f"/proc/{{helper.pid}}/fd"))
os.kill(helper.pid, signal.SIGKILL)
print(*has)
"""


@pytest.mark.parametrize(
    ("end", "has"),
    [
        ("return []", "/ 1"),
        ("return [os.open('/', os.O_PATH)]", "/ 2"),
        ("raise OSError", "/ 1"),
        ("kept.value = folder; return []", "/ 2"),
        ("kept.value = folder; raise OSError", "/ 1"),
    ],
    ids=["nothing", "a descriptor", "failure", "what is kept", "failure with something to keep"],
)
def test_nothing_of_a_sandbox_is_in_use_after_the_answer(end: str, has: str) -> None:
    """Else a mount that the next request unmounts is busy, if the helper has not ended yet."""
    program = [sys.executable, "-c", PROGRAM.format(end=end)]

    done = subprocess.run(program, stdout=subprocess.PIPE, text=True, check=True)

    assert done.stdout == f"{has}\n"
