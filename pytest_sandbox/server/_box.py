"""One sandbox: a task of the engine, with the policy around it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
from ._lifetimes import Lifetime, Status
from ._result import Result, result_of
from ._retention import Retention
from ._stdin import Stdin
from ._waiting import retrieve, settled, start, within

if TYPE_CHECKING:
    from ._file_handle import FileHandle

#: Finished commands of one sandbox that stay readable, and the bytes of output they may hold.
FINISHED_EXECS = 2000
FINISHED_EXEC_BYTES = 512 * 1024 * 1024


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

    Args:
        identity: what it is called.
        definition: what the client asked for.
        tags: name to value.
        task: what the engine made.
        argv: the command of its main process, if it has one.
        clock: the engine's.
    """

    def __init__(
        self,
        identity: Identity,
        definition: pb.Sandbox,
        tags: Mapping[str, str],
        task: Task,
        argv: tuple[str, ...],
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
        self._misfortune: EndCause | None = None
        self._starting: dict[str, asyncio.Future[Execution]] = {}
        self._finished = Retention(FINISHED_EXECS, FINISHED_EXEC_BYTES, self._forget)
        self._silence = OutputLog()
        self.main: Execution | None = None
        self.stdin = Stdin(None, clock)
        if task.main is not None:
            self.main = Execution(self.id, argv, task.main, clock)
            self.stdin = self.main.stdin
        idle = definition.idle_timeout_secs if definition.HasField("idle_timeout_secs") else None
        self.lifetime = Lifetime(clock, definition.timeout_secs, idle, self._expire)
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

    async def fail(self, cause: EndCause) -> None:
        """End it as if that had happened to it, and return when nothing of it is left."""
        if self.result is None:
            self._misfortune = self._misfortune or cause
            await settled(self.task.kill())
            await self._over.wait()

    async def _watch(self) -> None:
        end = await self.task.wait()
        if self._misfortune is not None and end.cause is EndCause.KILLED:
            end = TaskEnd(self._misfortune)
        self.result = result_of(end, self._reason)
        self.finished_at = self.clock.now()
        self.ended = self.clock.monotonic()
        self.lifetime.cancel()
        self._silence.close()
        self.handles.clear()
        for watch in self._watches:
            watch.cancel()
        for execution in self.execs.values():
            execution.task_ended()
        self._over.set()
        self.on_end(self)

    def _expire(self, reason: Status) -> None:
        # In a task of its own, because the end of a sandbox cancels its timers.
        self._ending = start(self.end(reason))

    def discard(self) -> None:
        """Let go of what it still holds after its end."""
        for execution in self.executions():
            execution.discard()

    def watch(self, events: AsyncIterator[WatchEvent], timeout: float | None) -> FileWatch:
        """Watch files; the sandbox is not idle meanwhile."""

        def ended() -> None:
            self._watches.discard(watch)
            self.lifetime.end_activity()

        watch = FileWatch(events, self.clock, timeout, ended)
        self._watches.add(watch)
        self.lifetime.begin_activity()
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
        self.lifetime.begin_activity()
        try:
            process = await spawn()
        except BaseException:
            self.lifetime.end_activity()
            raise

        def drained() -> None:
            self._finished.add(execution, execution.output_bytes())

        execution = self.execs[exec_id] = Execution(
            exec_id,
            argv,
            process,
            self.clock,
            timeout=timeout,
            on_exit=self.lifetime.end_activity,
            on_drained=drained,
        )
        return execution

    def _forget(self, execution: Execution) -> None:
        del self.execs[execution.id]
        execution.discard()

    def output_bytes(self) -> int:
        """Bytes of output that are held, of all its processes."""
        return sum(execution.output_bytes() for execution in self.executions())
