"""Programs for other processes of the machine, which lease as tests do."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

#: Leases a device, says so, and holds it until its standard input ends.
HOLD = """
import sys
from pytest_sandbox._shared.gpus.requests import parse
from pytest_sandbox.gpus import GpusTaken, LeaseWanted, take_lease, this_machine
gpu, what, memory, wait = sys.argv[1:]
asked = LeaseWanted(parse(gpu), what, int(memory) or None, float(wait))
try:
    lease = take_lease(this_machine(), asked)
except GpusTaken as error:
    print("taken", error, flush=True)
else:
    print("has", *(device.index for device in lease.devices), flush=True)
    sys.stdin.read()
    lease.release()
"""


class Holder:
    """Another process with a lease, or one that waits for it."""

    def __init__(self, gpu: str, what: str, memory: int = 0, wait: float = 20) -> None:
        command = (sys.executable, "-c", HOLD, gpu, what, str(memory), str(wait))
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def release(self) -> None:
        self.process.communicate(timeout=20)


@contextmanager
def holding(gpu: str, what: str, memory: int = 0) -> Iterator[Holder]:
    """Another process that has a lease."""
    holder = Holder(gpu, what, memory)
    try:
        assert holder.says().startswith("has")
        yield holder
    finally:
        holder.process.kill()
        holder.process.communicate()
