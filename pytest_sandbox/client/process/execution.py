"""A command that runs: its output, its input and its exit code.

There are two ways to it, `router_execution` and `control_execution`. By both, output begins at the
first byte, input is taken in order and each byte once, and time-outs have the code of Modal's.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from pytest_sandbox._proto.extensions_pb2 import ExecKillRequest
from pytest_sandbox._shared.async_tasks import within

from ..exceptions import Error

if TYPE_CHECKING:
    from ..transport.calls import Calls
    from .output import OutputStream

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: The exit code that `wait` and `poll` give for a command that timed out, as Modal's do.
TIMED_OUT = -1
#: Seconds after a command's time is up for the server to end it and to say so.
GRACE = 5.0


class Execution(ABC):
    """A command that runs.

    Args:
        timeout: seconds after which the server kills it.
        calls: to call with.
        task_id: of the sandbox.
    """

    #: Its id on the server.
    id: str

    def __init__(self, timeout: int | None, calls: Calls, task_id: str) -> None:
        self._calls = calls
        self._clock = calls.clock
        self._task_id = task_id
        # Taken before the server starts its own clock, so that its kill always comes later.
        self._deadline = self._clock.monotonic() + timeout if timeout else None

    @abstractmethod
    async def ready(self) -> None:
        """Return when it has started, which the server may not have said yet.

        Raises:
            Error: it cannot be started.
        """

    @abstractmethod
    def output(self, descriptor: int) -> OutputStream:
        """What it writes to `STDOUT` or `STDERR`, from its beginning."""

    @abstractmethod
    async def write(self, data: bytes, eof: bool) -> None:
        """Write to its standard input; returns when it has taken all of it.

        A call that failed or was cancelled may be made again with the same arguments: the server
        drops what it has already.

        Raises:
            StdinClosedError: the input was closed before, or the command does not read it any more.
        """

    async def everything(self) -> tuple[int, bytes, bytes] | None:
        """Its exit code and all of its output; `None` if several calls have to be made for that."""
        return None

    async def _kill(self) -> None:
        request = ExecKillRequest(task_id=self._task_id, exec_id=self.id)
        await self._calls.control(lambda link: link.extensions.ExecKill, request)

    def _known_code(self) -> int | None:
        """Its exit code, if the server has told that unasked; on any thread."""
        return None

    @abstractmethod
    async def _poll(self) -> int | None: ...

    @abstractmethod
    async def _wait(self) -> int: ...

    async def kill(self) -> None:
        """Kill it, and all that it has started; errors are dropped: its caller has given up.

        Servers of this package can do that, Modal's cannot: there, it goes on.
        """
        with contextlib.suppress(Error):
            await self._kill()

    async def give_up(self) -> None:
        """The same, once it has started."""
        with contextlib.suppress(Error):
            await self.ready()
            await self._kill()

    def known_code(self) -> int | None:
        """Its exit code, if that is known already; on any thread."""
        code = self._known_code()
        return None if code is None else self._told(code)

    async def poll(self) -> int | None:
        """Its exit code, or `None` while it runs."""
        if self._expired(GRACE):
            return TIMED_OUT
        code = await self._poll()
        return None if code is None else self._told(code)

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        if self._deadline is None:
            return await self._wait()
        left = self._deadline + GRACE - self._clock.monotonic()
        try:
            return self._told(await within(self._clock, max(0.0, left), self._wait()))
        except asyncio.TimeoutError:
            return TIMED_OUT

    def _expired(self, grace: float = 0.0) -> bool:
        return self._deadline is not None and self._clock.monotonic() >= self._deadline + grace

    def _told(self, code: int) -> int:
        killed = code == 128 + signal.SIGKILL
        return TIMED_OUT if killed and self._expired() else code
