"""Whether a sandbox is ready: its probe is tried again and again until it succeeds once."""

import asyncio
import os

from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox._shared.command_text import exit_code_text, short_command_text
from pytest_sandbox.engine import (
    Capability,
    Clock,
    EngineError,
    EngineInfo,
    Output,
    ProcessSpec,
    SupportsPorts,
    Task,
)

from ..async_helpers import start
from ..rpc.errors import invalid, unimplemented
from .checks import check_command

#: Milliseconds between two attempts, unless the probe says otherwise; as Modal's clients have it.
_INTERVAL = 100


def check_probe(definition: pb.Sandbox, info: EngineInfo) -> None:
    """Refuse a probe that cannot be tried.

    Raises:
        GRPCError: INVALID_ARGUMENT or UNIMPLEMENTED.
    """
    if not definition.HasField("readiness_probe"):
        return
    probe = definition.readiness_probe
    kind = probe.WhichOneof("probe_oneof")
    if kind == "exec_command":
        check_command(probe.exec_command.argv)
    elif kind is None:
        raise invalid("readiness_probe has neither a port nor a command")
    elif not 0 < probe.tcp_port < 65536:
        raise invalid(f"readiness_probe: {probe.tcp_port} is not a port from 1 to 65535")
    elif Capability.PORT not in info.capabilities:
        raise unimplemented(
            f"readiness_probe: the engine {info.name!r} cannot connect to ports of sandboxes"
        )
    if probe.HasField("interval_ms") and not probe.interval_ms:
        raise invalid("readiness_probe: interval_ms must be above 0")


class Readiness:
    """The readiness of one sandbox.

    Attempts are no activity of the sandbox, and no commands of it: reports do not show them.

    Args:
        probe: what is tried.
        clock: the engine's.

    Attributes:
        ready_at: when it became ready, in seconds since the epoch; `None` before.
        last: why the latest attempt failed.
    """

    def __init__(self, probe: pb.Probe, clock: Clock) -> None:
        self._probe = probe
        self._clock = clock
        self._settled = asyncio.Event()
        self._attempts: asyncio.Future[None] | None = None
        self.ready_at: float | None = None
        self.last = "it was not tried yet"

    def begin(self, task: Task) -> None:
        """Try from now on; a sandbox that was restored has to become ready anew."""
        self._cancel()
        self.ready_at = None
        self._settled.clear()
        self._attempts = start(self._try_until_ready(task))

    def end(self) -> None:
        """Stop trying: the sandbox has ended."""
        self._cancel()
        self._settled.set()

    async def wait(self) -> None:
        """Return when it is ready, which `ready_at` tells, or has ended."""
        await self._settled.wait()

    def __str__(self) -> str:
        if self._probe.WhichOneof("probe_oneof") == "tcp_port":
            return f"tcp {self._probe.tcp_port}"
        return f"exec {short_command_text(tuple(self._probe.exec_command.argv))}"

    def _cancel(self) -> None:
        if self._attempts is not None:
            self._attempts.cancel()

    async def _try_until_ready(self, task: Task) -> None:
        interval = self._probe.interval_ms or _INTERVAL
        while self.ready_at is None:
            try:
                self.last = await self._try(task)
            except OSError as error:
                self.last = os.strerror(error.errno) if error.errno else str(error)
            except EngineError as error:
                self.last = str(error)
            if self.last:
                await self._clock.sleep(interval / 1000)
            else:
                self.ready_at = self._clock.now()
        self._settled.set()

    async def _try(self, task: Task) -> str:
        """Why it is not ready; empty if it is."""
        if self._probe.WhichOneof("probe_oneof") == "tcp_port":
            connection = await SupportsPorts.of(task).connect(self._probe.tcp_port)
            await connection.close()
            return ""
        argv = tuple(self._probe.exec_command.argv)
        spec = ProcessSpec(argv, stdout=Output.DEVNULL, stderr=Output.DEVNULL)
        process = await task.exec(spec)
        await process.close_stdin()
        code = (await process.wait()).returncode
        return exit_code_text(code) if code else ""
