"""The processes of one sandbox: its main process, and the commands that clients started."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence

from pytest_sandbox._shared.async_tasks import retrieve
from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import Clock, OutputLog, Process, SpawnFailed, TaskEnded

from ..async_helpers import start
from ..model.lifetimes import Lifetime
from ..model.retention import Retention
from ..rpc.errors import not_found
from .execution import CommandExecution
from .output_times import OutputTimes
from .stdin import StdinWriter

#: The most finished commands of one sandbox that can still be read, and the most bytes of their
#: output.
FINISHED_COMMANDS = 2000
FINISHED_COMMAND_BYTES = 512 * 1024 * 1024
#: The most commands of one sandbox that could not start and are still described, the last ones.
_FAILED_STARTS = 100
#: Seconds in which a client whose call was lost makes it again: those of Modal wait 5 s between two
#: attempts at most.
UNCLAIMED_TIME = 30.0


@dataclass(frozen=True)
class FailedStart:
    """A command that could not start.

    Attributes:
        argv: the command.
        number: its place in the order of starts.
        at: when, on the clock of the engine.
        reason: for the user.
    """

    argv: tuple[str, ...]
    number: int
    at: float
    reason: str


class _Teller:
    """Calls a function that may be set later."""

    def __init__(self) -> None:
        self.tell: Callable[[], None] = _nothing

    def __call__(self) -> None:
        self.tell()


def _nothing() -> None:
    pass


class Commands:
    """The processes of one sandbox.

    Args:
        owner: the sandbox, for errors.
        clock: the engine's.
        lifetime: of the sandbox, which is not idle while a command runs.

    Attributes:
        main: the main process, if there is one.
        main_times: when its output came, standard output and standard error.
        stdin: the standard input of the main process; without one, whatever is written is dropped.
        failed_starts: commands that could not start, the oldest first.
    """

    def __init__(self, owner: str, clock: Clock, lifetime: Lifetime) -> None:
        self.main: CommandExecution | None = None
        self.main_times: tuple[OutputTimes, OutputTimes] | None = None
        self.stdin: StdinWriter  # from `adopt_main` on
        self.failed_starts: list[FailedStart] = []
        #: Tells when the main process has written something.
        self.on_output = _Teller()
        self._numbers = itertools.count(1)
        self._owner = owner
        self._clock = clock
        self._lifetime = lifetime
        self._why_over = ""
        self._by_id: dict[str, CommandExecution] = {}
        self._starting: dict[str, asyncio.Future[CommandExecution]] = {}
        self._finished: Retention[CommandExecution] = Retention(
            FINISHED_COMMANDS, FINISHED_COMMAND_BYTES
        )
        self._no_output = OutputLog()

    def adopt_main(self, exec_id: str, argv: Sequence[str], process: Process | None) -> None:
        """Register the main process of a new task; the previous one becomes a command."""
        if self.main is not None:
            self._by_id[self.main.id] = self.main
        self.main = self.main_times = None
        if process is None:
            self.stdin = StdinWriter(None, self._clock)
        else:
            self.main = CommandExecution(
                exec_id,
                tuple(argv),
                process,
                self._clock,
                number=next(self._numbers),
                on_drained=self._drained,
            )
            self.stdin = self.main.stdin
            self.main_times = (
                OutputTimes(process.stdout, self._clock, self.on_output),
                OutputTimes(process.stderr, self._clock, self.on_output),
            )

    @property
    def main_logs(self) -> tuple[OutputLog, OutputLog]:
        """The output of the main process; without one, logs that end with the sandbox."""
        return self.main.logs if self.main is not None else (self._no_output, self._no_output)

    def all(self) -> list[CommandExecution]:
        """All processes in the order of their start, the main process first."""
        main = [self.main] if self.main is not None else []
        return [*main, *self.started]

    @property
    def started(self) -> list[CommandExecution]:
        """The commands that clients started, the oldest first, except evicted ones."""
        return list(self._by_id.values())

    def has(self, exec_id: str) -> bool:
        """Whether there is a command of that id, or it is about to start."""
        return exec_id in self._by_id or exec_id in self._starting

    def get(self, exec_id: str) -> CommandExecution:
        """A command by id.

        Raises:
            GRPCError: NOT_FOUND.
        """
        try:
            execution = self._by_id[exec_id]
        except KeyError:
            raise not_found("Exec", exec_id) from None
        execution.claims += 1
        return execution

    async def run(
        self,
        exec_id: str,
        argv: Sequence[str],
        spawn: Callable[[], Awaitable[Process]],
        *,
        timeout: float | None,
        input_timeout: float | None,
    ) -> None:
        """Start a command, unless one with this id was started before.

        Args:
            exec_id: chosen by the client or by the server.
            argv: the command.
            spawn: starts the process.
            timeout: seconds after which it is killed; `None` for never.
            input_timeout: seconds without input after which it is killed; `None` for never.

        Raises:
            TaskEnded: the sandbox has ended.
            EngineError: whatever `spawn` raises.
        """
        if exec_id in self._by_id:
            self._by_id[exec_id].claims += 1
            return
        if self._why_over:
            raise TaskEnded(f"{self._owner} has ended: {self._why_over}")
        task = self._starting.get(exec_id)
        if task is None:
            task = asyncio.ensure_future(
                self._spawn(exec_id, tuple(argv), spawn, timeout, input_timeout)
            )
            self._starting[exec_id] = task
            task.add_done_callback(lambda _: self._starting.pop(exec_id))
            task.add_done_callback(retrieve)
        # A client that repeats a call waits for the same start, which must not end with the first.
        await asyncio.shield(task)

    async def _spawn(
        self,
        exec_id: str,
        argv: tuple[str, ...],
        spawn: Callable[[], Awaitable[Process]],
        timeout: float | None,
        input_timeout: float | None,
    ) -> CommandExecution:
        self._lifetime.begin_activity()
        try:
            process = await spawn()
        except BaseException as error:
            self._lifetime.end_activity()
            if isinstance(error, SpawnFailed):
                at = self._clock.monotonic()
                self.failed_starts.append(FailedStart(argv, next(self._numbers), at, str(error)))
                del self.failed_starts[:-_FAILED_STARTS]
            raise
        execution = self._by_id[exec_id] = CommandExecution(
            exec_id,
            argv,
            process,
            self._clock,
            number=next(self._numbers),
            timeout=timeout,
            input_timeout=input_timeout,
            on_exit=self._lifetime.end_activity,
            on_drained=self._drained,
        )
        return execution

    def unclaimed(self, exec_id: str, lost: Callable[[], bool] = lambda: True) -> None:
        """Kill a command if no client comes back for it: the answer to its start was lost.

        Args:
            exec_id: the command, which may not have started yet.
            lost: asked when time is up, whether it is still so.
        """
        start(self._reap(exec_id, lost))

    async def _reap(self, exec_id: str, lost: Callable[[], bool]) -> None:
        if exec_id in self._starting:
            await asyncio.wait({self._starting[exec_id]})
        execution = self._by_id.get(exec_id)
        if execution is None:
            return
        claims = execution.claims
        still_runs = await execution.wait(UNCLAIMED_TIME) is None
        if still_runs and execution.claims == claims and lost():
            await execution.kill()

    def expect_end(self, reason: str) -> None:
        """Note why all processes are about to be killed."""
        for execution in self.all():
            execution.expect_end(reason)

    def sandbox_ended(self, why: str) -> None:
        """Start no further command: the sandbox has ended.

        Args:
            why: for errors.
        """
        self._why_over = why
        self.stdin.over = f"{self._owner} has ended, so nothing reads its input: {why}"
        self._no_output.close()
        for execution in self._by_id.values():
            execution.task_ended()

    def discard(self) -> None:
        """Release the stored output: nobody can ask for it any more."""
        for execution in self.all():
            execution.discard()

    def output_bytes(self) -> int:
        """Bytes of output that are stored."""
        return sum(execution.output_bytes() for execution in self.all())

    def _drained(self, execution: CommandExecution) -> None:
        if execution is not self.main:
            for evicted in self._finished.add(execution, execution.output_bytes()):
                self._forget(evicted)

    def _forget(self, execution: CommandExecution) -> None:
        del self._by_id[execution.id]
        execution.discard()
