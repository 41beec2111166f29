"""A shell that runs through a check, to see whether its process continues."""

from .. import Process, ProcessSpec, Task
from .support import soon


class RunningShell:
    """A shell that runs one line after another.

    It remembers its variables and answers every line, which shows that its process continues.
    """

    def __init__(self, process: Process) -> None:
        self.process = process
        self._seen = 0

    @classmethod
    async def start(cls, task: Task) -> "RunningShell":
        """Start one."""
        spec = ProcessSpec(("/bin/sh", "-c", 'while read -r l; do eval "$l"; echo .; done'))
        return cls(await soon(task.exec(spec), "exec of a shell"))

    async def says(self, line: str) -> bytes:
        """What it prints for a line, up to the end of the line that it prints last."""
        await soon(self.process.write_stdin(f"{line}\n".encode()), f"{line!r} to a shell")
        data = b""
        while not (data == b".\n" or data.endswith(b"\n.\n")):
            more = await soon(
                self.process.stdout.read(self._seen), f"what a shell says to {line!r}"
            )
            assert more, f"the shell ended instead of doing {line!r}, after saying {data!r}"
            data += more
            self._seen += len(more)
        return data[:-2]
