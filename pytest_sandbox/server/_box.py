"""One sandbox: a task of the engine, with the policy around it."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sandbox._proto import common_pb2
from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox.engine import (
    Clock,
    EndCause,
    OutputLog,
    Process,
    Task,
    TaskEnd,
    TaskEnded,
    WatchEvent,
)

from ._errors import not_found
from ._execution import Execution
from ._file_watch import FileWatch
from ._retention import Retention
from ._stdin import Stdin
from ._waiting import retrieve, settled, start, within

if TYPE_CHECKING:
    from ._file_handle import FileHandle

#: Why the server ended a sandbox.
TERMINATED = common_pb2.GenericResult.GENERIC_STATUS_TERMINATED
TIMEOUT = common_pb2.GenericResult.GENERIC_STATUS_TIMEOUT
IDLE_TIMEOUT = common_pb2.GenericResult.GENERIC_STATUS_IDLE_TIMEOUT

#: Finished commands of one sandbox that stay readable, and the bytes of output they may hold.
FINISHED_EXECS = 2000
FINISHED_EXEC_BYTES = 256 * 1024 * 1024

Result = common_pb2.GenericResult
Status = common_pb2.GenericResult.GenericStatus


@dataclass(frozen=True)
class Identity:
    """What a sandbox is called and belongs to; fixed at its creation."""

    id: str
    task_id: str
    app_id: str
    name: str
    image_id: str
    created_at: float
    router_token: str


class Box:
    """A sandbox, running or finished.

    Lifetimes run on the engine's clock. `timeout` counts from the creation. `idle_timeout`
    counts while nothing goes on: no command that was started by exec is running, nothing is
    written to standard input, no file is being worked on. What the main process does is not
    looked at. (Modal counts commands, writes to standard input and open tunnels; see its guide,
    "Sandboxes", section "Idle timeouts".)

    Args:
        identity: what it is called.
        definition: what the client asked for.
        tags: name to value.
        task: what the engine made.
        clock: the engine's.
    """

    def __init__(
        self,
        identity: Identity,
        definition: pb.Sandbox,
        tags: Mapping[str, str],
        task: Task,
        clock: Clock,
    ) -> None:
        self.id = identity.id
        self.task_id = identity.task_id
        self.app_id = identity.app_id
        self.name = identity.name
        self.image_id = identity.image_id
        self.created_at = identity.created_at
        self.router_token = identity.router_token
        self.definition = definition
        self.tags = dict(tags)
        self.task = task
        self.started = clock.monotonic()
        self.result: Result | None = None
        self.finished_at = 0.0
        self.ended: float | None = None
        self.on_end: Callable[[Box], None] = lambda _: None
        self.execs: dict[str, Execution] = {}
        self.handles: dict[str, FileHandle] = {}
        self._watches: set[FileWatch] = set()
        self.clock = clock
        self._over = asyncio.Event()
        self._reason: Status | None = None
        self._starting: dict[str, asyncio.Future[Execution]] = {}
        self._busy = 0
        self._idle_since = self.started
        self._idle = asyncio.Event()
        self._idle.set()
        self._finished = Retention(FINISHED_EXECS, FINISHED_EXEC_BYTES, self._forget)
        self._silence = OutputLog()
        self.main: Execution | None = None
        self.stdin = Stdin(None, clock)
        if task.main is not None:
            self.main = Execution(self.id, tuple(definition.entrypoint_args), task.main, clock)
            self.stdin = self.main.stdin
        self._timers = [start(self._expire(definition.timeout_secs))]
        if definition.HasField("idle_timeout_secs"):
            self._timers.append(start(self._tire(definition.idle_timeout_secs)))
        self._watcher = start(self._watch())

    # Life and death

    async def wait(self, seconds: float) -> Result | None:
        """How it ended; `None` if it still runs after `seconds`."""
        if self.result is None and seconds > 0:
            await within(self.clock, seconds, self._over.wait())
        return self.result

    async def end(self, reason: Status) -> None:
        """End it, and return when nothing of it is left; the first reason given counts."""
        if self.result is None:
            self._reason = self._reason or reason
            for execution in self.executions():
                execution.expect_end()
            await settled(self.task.kill())
            await self._over.wait()

    async def _watch(self) -> None:
        end = await self.task.wait()
        self.result = _result(end, self._reason)
        self.finished_at = self.clock.now()
        self.ended = self.clock.monotonic()
        for timer in self._timers:
            timer.cancel()
        self._silence.close()
        self.handles.clear()
        for watch in self._watches:
            watch.cancel()
        for execution in self.execs.values():
            execution.task_ended()
        self._over.set()
        self.on_end(self)

    async def _expire(self, seconds: float) -> None:
        await self.clock.sleep(seconds)
        self._end_by_itself(TIMEOUT)

    async def _tire(self, seconds: float) -> None:
        while True:
            await self._idle.wait()
            left = self._idle_since + seconds - self.clock.monotonic()
            if left <= 0:
                break
            await self.clock.sleep(left)
        self._end_by_itself(IDLE_TIMEOUT)

    def _end_by_itself(self, reason: Status) -> None:
        # In a task of its own, because the end of a sandbox cancels its timers.
        self._ending = start(self.end(reason))

    # Activity

    def begin_activity(self) -> None:
        """Something goes on in the sandbox; it is not idle until the matching `end_activity`."""
        self._busy += 1
        self._idle.clear()

    def end_activity(self) -> None:
        """What went on is over."""
        self._busy -= 1
        self._idle_since = self.clock.monotonic()
        if self._busy == 0:
            self._idle.set()

    def watch(self, events: AsyncIterator[WatchEvent], timeout: float | None) -> FileWatch:
        """Watch files; the sandbox is not idle meanwhile."""

        def ended() -> None:
            self._watches.discard(watch)
            self.end_activity()

        watch = FileWatch(events, self.clock, timeout, ended)
        self._watches.add(watch)
        self.begin_activity()
        return watch

    # Commands

    @property
    def logs(self) -> tuple[OutputLog, OutputLog]:
        """What the main process wrote; nothing, until the end, if there is none."""
        return self.main.logs if self.main is not None else (self._silence, self._silence)

    def executions(self) -> list[Execution]:
        """Its processes in the order of their start, the main process first."""
        main = [self.main] if self.main is not None else []
        return [*main, *self.execs.values()]

    def execution(self, exec_id: str) -> Execution:
        """A command by id.

        Raises:
            GRPCError: NOT_FOUND.
        """
        try:
            return self.execs[exec_id]
        except KeyError:
            raise not_found("Exec", exec_id) from None

    async def run(
        self,
        exec_id: str,
        argv: Sequence[str],
        spawn: Callable[[], Awaitable[Process]],
        timeout: float | None,
    ) -> None:
        """Start a command, unless one of that id was started before.

        Raises:
            TaskEnded: the sandbox is over.
            EngineError: whatever `spawn` raises.
        """
        if exec_id in self.execs:
            return
        if self.result is not None:
            raise TaskEnded(f"Sandbox {self.id!r} has finished")
        task = self._starting.get(exec_id)
        if task is None:
            task = asyncio.ensure_future(self._spawn(exec_id, tuple(argv), spawn, timeout))
            self._starting[exec_id] = task
            task.add_done_callback(lambda _: self._starting.pop(exec_id))
            task.add_done_callback(retrieve)
        await asyncio.shield(task)

    async def _spawn(
        self,
        exec_id: str,
        argv: tuple[str, ...],
        spawn: Callable[[], Awaitable[Process]],
        timeout: float | None,
    ) -> Execution:
        self.begin_activity()
        try:
            process = await spawn()
        except BaseException:
            self.end_activity()
            raise

        def drained() -> None:
            self._finished.add(execution, execution.output_bytes())

        execution = self.execs[exec_id] = Execution(
            exec_id,
            argv,
            process,
            self.clock,
            timeout=timeout,
            on_exit=self.end_activity,
            on_drained=drained,
        )
        return execution

    def _forget(self, execution: Execution) -> None:
        self.execs.pop(execution.id, None)

    def output_bytes(self) -> int:
        """Bytes of output that are held, of all its processes."""
        return sum(execution.output_bytes() for execution in self.executions())


def _result(end: TaskEnd, reason: "Status | None") -> Result:
    """How a sandbox ended, in the words of the wire."""
    if end.cause is EndCause.OUT_OF_MEMORY:
        return Result(
            status=Result.GENERIC_STATUS_KERNEL_OOM_KILL,
            exception=end.detail or "the sandbox ran out of memory",
            exitcode=128 + signal.SIGKILL,
        )
    if end.cause is EndCause.LOST:
        return Result(
            status=Result.GENERIC_STATUS_INTERNAL_FAILURE,
            exception=end.detail or "what held the sandbox together died",
            exitcode=1,
        )
    if end.cause is EndCause.KILLED:
        status = reason or TERMINATED
        return Result(status=status, exitcode=124 if status == TIMEOUT else 128 + signal.SIGKILL)
    code = end.status.returncode if end.status is not None else 0
    status = Result.GENERIC_STATUS_FAILURE if code else Result.GENERIC_STATUS_SUCCESS
    return Result(status=status, exitcode=code)
