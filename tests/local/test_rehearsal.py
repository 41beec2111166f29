"""What the agent does is rehearsed in the forker, which that leaves as it was."""

import subprocess
import sys

_SCRIPT = """
import dis, os, signal, sys
from pytest_sandbox.local.agent import main, rehearsal, spawn
from pytest_sandbox.local.kernel.calls import PreparedCalls
from pytest_sandbox.local.protocol import wire

def instructions(function):
    return [one.opname for one in dis.get_instructions(function, adaptive=True)]

def state():
    threads = os.listdir("/proc/self/task")
    return os.listdir("/proc/self/fd"), signal.set_wakeup_fd(-1), os.getcwd(), threads

signal.signal(signal.SIGCHLD, lambda *_: None)
os.chdir("/")
functions = [
    PreparedCalls.make, main.Agent.run, main.Agent._serve, main.Agent._reap, spawn.spawn,
    wire.receive_packet, wire.decode, wire.send_packet,
]
adapts = sys.version_info >= (3, 11)
new = [instructions(one) for one in functions] if adapts else []
before = state()
rehearsal.rehearse()
assert state() == before, state()
for function, instructions_before in zip(functions, new):
    assert instructions(function) != instructions_before, function
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("fine")
"""


def test_python_has_adapted_what_runs_in_pid_1_and_nothing_else_has_changed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=False
    )
    assert done.stdout == "fine\n", done.stderr
