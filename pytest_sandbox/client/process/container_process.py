"""A command in a sandbox."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

from pytest_sandbox._shared.async_tasks import background
from pytest_sandbox._shared.command_text import exit_code_text, short_command_text
from pytest_sandbox._shared.pickling import Unpicklable

from ..exceptions import InvalidError
from ..refusals import refused
from ..transport.dual import dual_unless
from .execution import TIMED_OUT
from .output import STDERR, STDOUT
from .printing import print_output
from .stream_reader import StreamReader
from .stream_type import StreamType
from .stream_writer import StreamWriter

if TYPE_CHECKING:
    from .execution import Execution

__tracebackhide__ = True  # a failing test shows the caller's line, not these

T = TypeVar("T", str, bytes)


class ContainerProcess(Unpicklable, Generic[T]):
    """A command that was started with `Sandbox.exec`."""

    instead = "pass its sandbox and call exec() there, or wait here and pass the results"

    def __init__(
        self,
        execution: Execution,
        *,
        args: tuple[str, ...],
        text: bool,
        by_line: bool = False,
        stdout: StreamType = StreamType.PIPE,
        stderr: StreamType = StreamType.PIPE,
    ) -> None:
        self._execution = execution
        self._returncode: int | None = None
        self._command = short_command_text(args)
        self._stdout: StreamReader[T] = StreamReader(
            execution.output(STDOUT),
            STDOUT,
            self._command,
            text=text,
            by_line=by_line,
            stream_type=stdout,
        )
        self._stderr: StreamReader[T] = StreamReader(
            execution.output(STDERR),
            STDERR,
            self._command,
            text=text,
            by_line=by_line,
            stream_type=stderr,
        )
        self._stdin = StreamWriter(execution.write)
        self._printing = [
            background(print_output(execution.output(descriptor), text=text, by_line=by_line))
            for descriptor, where in ((STDOUT, stdout), (STDERR, stderr))
            if where is StreamType.STDOUT
        ]

    def __repr__(self) -> str:
        return f"ContainerProcess({self._command}, {self._state()})"

    def _state(self) -> str:
        """What is known without asking the server."""
        if self._returncode is None:
            return "not waited for"
        if self._returncode == TIMED_OUT:
            return "timed out"
        return exit_code_text(self._returncode)

    @property
    def stdout(self) -> StreamReader[T]:
        """What it writes to standard output."""
        return self._stdout

    @property
    def stderr(self) -> StreamReader[T]:
        """What it writes to standard error."""
        return self._stderr

    @property
    def stdin(self) -> StreamWriter:
        """What it reads from standard input."""
        return self._stdin

    @property
    def returncode(self) -> int:
        """Its exit code: 128 plus the number for a signal, -1 if its time was up.

        Raises:
            InvalidError: it is not known yet.
        """
        if self._returncode is None:
            raise InvalidError("the exit code is not known yet: call wait() or poll() first")
        return self._returncode

    def _known(self) -> int | None:
        """What `poll` and `wait` return, if nobody has to be asked, and nothing waited for."""
        if self._returncode is None and not self._printing:
            self._returncode = self._execution.known_code()
        return None if self._printing else self._returncode

    @dual_unless(_known)
    async def poll(self) -> int | None:
        """The exit code, or `None` while it runs.

        Raises:
            NotFoundError: the sandbox is gone.
        """
        if self._returncode is None:
            self._returncode = await self._execution.poll()
        return self._returncode

    @dual_unless(_known)
    async def wait(self) -> int:
        """The exit code, once it has ended: 128 plus the number for a signal, -1 if time was up.

        Output that is printed (`stdout=STDOUT`) is out by then.

        Raises:
            NotFoundError: the sandbox is gone.
        """
        if self._returncode is None:
            self._returncode = await self._execution.wait()
        if self._printing:
            # Unlike `gather`, this does not end the printing when the caller gives up.
            await asyncio.wait(self._printing)
            for printing in self._printing:
                printing.result()
        return self._returncode

    attach = refused("ContainerProcess.attach", "there is no interactive terminal")
