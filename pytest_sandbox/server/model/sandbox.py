"""One sandbox: a task of the engine, or one after the other, with the policy around it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox._shared.async_tasks import finish, retrieve, within
from pytest_sandbox.engine import (
    Clock,
    EndCause,
    OutputLog,
    Process,
    SupportsMounts,
    Task,
    TaskEnd,
    TaskEnded,
    TaskSpec,
)

from ..async_helpers import start
from ..commands.execution import RESTORED, TERMINATED, Execution
from ..commands.stdin import Stdin
from ..files.sessions import FileSessions
from ..rpc.errors import not_found
from .images import Image
from .lifetimes import Lifetime, Status
from .result import Result, result_of
from .retention import Retention

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
    created_at: float
    router_token: str


class Box:
    """A sandbox, running or finished.

    Args:
        identity: what it is called.
        definition: what the client asked for.
        tags: name to value.
        image: what its files started as.
        spec: what the engine was asked for.
        task: what the engine made.
        clock: the engine's.

    Attributes:
        snapshot_id: of the memory that it started with; empty if it did not.
        mounted: ids of images by the path where they are mounted, the latest last.
        generation: how often it was restored.
        turn: held by whoever keeps its files, changes what is mounted, or restores it.
    """

    def __init__(
        self,
        identity: Identity,
        definition: pb.Sandbox,
        tags: Mapping[str, str],
        image: Image,
        spec: TaskSpec,
        task: Task,
        clock: Clock,
    ) -> None:
        self.id = identity.id
        self.task_id = identity.task_id
        self.app_id = identity.app_id
        self.name = identity.name
        self.created_at = identity.created_at
        self.router_token = identity.router_token
        self.definition = definition
        self.tags = dict(tags)
        self.image = image
        self.spec = spec
        self.snapshot_id = ""
        self.mounted: dict[str, list[str]] = {}
        self.generation = 0
        self.turn = asyncio.Lock()
        self.started = clock.monotonic()
        self.result: Result | None = None
        self.finished_at = 0.0
        self.ended: float | None = None
        self.on_end: Callable[[Box], None] = lambda _: None
        self.execs: dict[str, Execution] = {}
        self.clock = clock
        self._over = asyncio.Event()
        self._reason: Status | None = None
        self._misfortune: EndCause | None = None
        self._starting: dict[str, asyncio.Future[Execution]] = {}
        self._finished = Retention(FINISHED_EXECS, FINISHED_EXEC_BYTES, self._forget)
        self._silence = OutputLog()
        self._adopt(task)
        idle = definition.idle_timeout_secs if definition.HasField("idle_timeout_secs") else None
        self.lifetime = Lifetime(clock, definition.timeout_secs, idle, self._expire)
        self.files = FileSessions(clock, self.lifetime)
        self._watcher = start(self._watch())

    def _adopt(self, task: Task) -> None:
        self.task = task
        self.main: Execution | None = None
        self.stdin = Stdin(None, self.clock)
        if task.main is not None:
            argv = self.spec.main.argv if self.spec.main is not None else ("",)
            name = f"{self.id}/{self.generation}"
            self.main = Execution(name, argv, task.main, self.clock, on_drained=self._drained)
            self.stdin = self.main.stdin

    @property
    def introduction(self) -> dict[str, str | bytes]:
        """Metadata that spares a client which knows it two calls, before its first command."""
        return {"x-sandbox-task-id": self.task_id, "x-sandbox-router-jwt": self.router_token}

    # Life and death

    async def wait(self, seconds: float) -> Result | None:
        """How it ended; `None` if it still runs after `seconds`."""
        if self.result is None and seconds > 0:
            with suppress(asyncio.TimeoutError):
                await within(self.clock, seconds, self._over.wait())
        return self.result

    async def over(self) -> None:
        """Return when it has ended."""
        await self._over.wait()

    def expect_end(self, reason: str) -> None:
        """What runs in it is about to be ended by that."""
        for execution in self.executions():
            execution.expect_end(reason)

    async def end(self, reason: Status) -> None:
        """End it, and return when nothing of it is left; the first reason given counts."""
        if self.result is None:
            self._reason = self._reason or reason
            self.expect_end(TERMINATED)
            await finish(self.task.kill())
            await self._over.wait()

    async def fail(self, cause: EndCause) -> None:
        """End it as if that had happened to it, and return when nothing of it is left."""
        if self.result is None:
            self._misfortune = self._misfortune or cause
            await finish(self.task.kill())
            await self._over.wait()

    async def mount(self, path: str, image: Image | None) -> None:
        """Show an image of a directory, or an empty directory, at a path; it is made if need be.

        Raises:
            OSError, EngineError: whatever the engine raises.
        """
        snapshot = image.directory() if image is not None else None
        async with self.turn:
            self.check_running()
            mounts = SupportsMounts.of(self.task)
            await self.task.files.mkdir(path, parents=True)
            await mounts.mount(path, snapshot)
            self.mounted.setdefault(path, []).append(image.kept if image is not None else "")

    async def unmount(self, path: str) -> None:
        """Undo the latest mount at a path.

        Raises:
            OSError, EngineError: whatever the engine raises.
        """
        async with self.turn:
            self.check_running()
            await SupportsMounts.of(self.task).unmount(path)
            if self.mounted.get(path):
                self.mounted[path].pop()

    def check_running(self) -> None:
        """Refuse what only a running sandbox can do.

        Raises:
            TaskEnded: it is over, or about to be.
        """
        doomed = self._reason is not None or self._misfortune is not None
        if doomed or self.result is not None or self.task.poll() is not None:
            raise TaskEnded(f"Sandbox {self.id!r} has finished")

    async def restore(
        self, image: Image, create: Callable[[TaskSpec], Coroutine[Any, Any, Task]]
    ) -> None:
        """Continue as another task, with the files of an image; what runs is killed.

        Args:
            image: the image.
            create: what makes the task.

        Raises:
            TaskEnded: it is over, or ended meanwhile.
            EngineError: whatever `create` raises; it goes on as before.
        """
        async with self.turn:
            self.check_running()
            spec = replace(self.spec, image=image.root_image(), resume=None)
            task = await create(spec)
            try:
                self.check_running()
            except TaskEnded:
                await task.kill()
                raise
            before, executions = self.task, self.executions()
            self.expect_end(RESTORED)
            self._let_go()
            self.image, self.spec, self.snapshot_id = image, spec, ""
            self.generation += 1
            if self.main is not None:
                self.execs[self.main.id] = self.main
            self._adopt(task)
            await before.kill()
            for execution in executions:
                execution.task_ended()

    async def _watch(self) -> None:
        while True:
            task = self.task
            end = await task.wait()
            if task is self.task:  # and was not replaced
                break
        if self._misfortune is not None and end.cause is EndCause.KILLED:
            end = TaskEnd(self._misfortune)
        self.result = result_of(end, self._reason)
        self.finished_at = self.clock.now()
        self.ended = self.clock.monotonic()
        self.lifetime.cancel()
        self._silence.close()
        self._let_go()
        for execution in self.execs.values():
            execution.task_ended()
        self._over.set()
        self.on_end(self)

    def _let_go(self) -> None:
        """Forget what there is of a task that ends, besides its processes."""
        self.mounted.clear()
        self.files.task_ended()

    def _expire(self, reason: Status) -> None:
        # In a task of its own, because the end of a sandbox cancels its timers.
        self._ending = start(self.end(reason))

    def discard(self) -> None:
        """Let go of what it still holds after its end."""
        for execution in self.executions():
            execution.discard()

    # Commands

    @property
    def stands_on(self) -> set[str]:
        """Ids of the images and snapshots without which it could not be."""
        mounted = (image_id for layers in self.mounted.values() for image_id in layers)
        return {self.image.kept, self.snapshot_id, *mounted} - {""}

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
        execution = self.execs[exec_id] = Execution(
            exec_id,
            argv,
            process,
            self.clock,
            timeout=timeout,
            on_exit=self.lifetime.end_activity,
            on_drained=self._drained,
        )
        return execution

    def _drained(self, execution: Execution) -> None:
        if execution is not self.main:
            self._finished.add(execution, execution.output_bytes())

    def _forget(self, execution: Execution) -> None:
        del self.execs[execution.id]
        execution.discard()

    def output_bytes(self) -> int:
        """Bytes that are held of the output of its processes and its file operations."""
        output = sum(execution.output_bytes() for execution in self.executions())
        return output + self.files.outcome_bytes
