"""Sandboxes by id, by task and by name."""

from collections.abc import Callable  # noqa: TC003

from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox.engine import Clock

from ..commands.log_news import LogNews
from ..rpc.errors import not_found
from .retention import Retention
from .sandbox import ServedSandbox

#: The most finished sandboxes that can still be read, and the most bytes of their output.
FINISHED_SANDBOXES = 1000
FINISHED_BYTES = 256 * 1024 * 1024
#: Of how many it is known that they have ended, once nothing else is known of them.
FORGOTTEN = 65536


class SandboxRegistry:
    """Sandboxes, running and finished.

    Args:
        clock: the engine's.
        news: is told of new output.
    """

    def __init__(self, clock: Clock, news: LogNews) -> None:
        self._clock = clock
        self._news = news
        self._sandboxes: dict[str, ServedSandbox] = {}
        self._by_task: dict[str, ServedSandbox] = {}
        self._named: dict[tuple[str, str], ServedSandbox] = {}  # app id, name -> running sandbox
        self._sidecars: set[ServedSandbox] = set()  # those that run
        self._finished: Retention[ServedSandbox] = Retention(FINISHED_SANDBOXES, FINISHED_BYTES)
        self._forgotten: dict[str, None] = {}  # their ids, the oldest first
        self._last_creation = 0.0
        #: Called with each sandbox or sidecar that has ended.
        self.at_end: list[Callable[[ServedSandbox], None]] = []

    def creation_time(self) -> float:
        """The current time, but later than that of every other sandbox: lists are paged by it."""
        self._last_creation = max(self._clock.now(), self._last_creation + 1e-6)
        return self._last_creation

    def add(self, sandbox: ServedSandbox) -> None:
        """Register a sandbox or a sidecar; once it has ended, newer ended ones may evict it."""
        sandbox.on_end = self._ended
        if sandbox.main is not None:
            self._sidecars.add(sandbox)
            sandbox.main.sidecars.add(sandbox)
            return
        self._sandboxes[sandbox.id] = self._by_task[sandbox.task_id] = sandbox
        sandbox.commands.on_output.tell = self._news.tell
        self._news.tell()
        if sandbox.name:
            self._named[sandbox.app_id, sandbox.name] = sandbox

    def get(self, sandbox_id: str) -> ServedSandbox:
        """A sandbox by id."""
        try:
            return self._sandboxes[sandbox_id]
        except KeyError:
            raise not_found("Sandbox", sandbox_id) from None

    def has_forgotten(self, sandbox_id: str) -> bool:
        """Whether there was one with this id, which has ended, and was evicted."""
        return sandbox_id in self._forgotten

    def of_task(self, task_id: str) -> ServedSandbox:
        """The sandbox that a task belongs to."""
        try:
            return self._by_task[task_id]
        except KeyError:
            raise not_found("Task", task_id) from None

    def id_of_task(self, task_id: str) -> str:
        """The id of the sandbox that a task belongs to; empty if it is not known."""
        sandbox = self._by_task.get(task_id)
        return sandbox.id if sandbox is not None else ""

    def named(self, app_id: str, name: str) -> ServedSandbox | None:
        """The running sandbox of that name, if there is one."""
        return self._named.get((app_id, name))

    def set_name(self, sandbox: ServedSandbox, name: str) -> None:
        """Give a name to a running sandbox that has none."""
        definition = pb.Sandbox()
        definition.CopyFrom(sandbox.definition)  # snapshots that were taken hold the former one
        definition.name = name
        sandbox.definition, sandbox.name = definition, name
        self._named[sandbox.app_id, name] = sandbox

    def all(self) -> list[ServedSandbox]:
        """Every sandbox that is known."""
        return list(self._sandboxes.values())

    def running(self) -> list[ServedSandbox]:
        """Every sandbox that runs."""
        return [sandbox for sandbox in self._sandboxes.values() if sandbox.result is None]

    def containers(self) -> list[ServedSandbox]:
        """Every sandbox that runs, and every sidecar."""
        return [*self.running(), *self._sidecars]

    def snapshots_in_use(self) -> set[str]:
        """Ids of the snapshots that running sandboxes and sidecars depend on."""
        return {each for sandbox in self.containers() for each in sandbox.depends_on}

    def _ended(self, sandbox: ServedSandbox) -> None:
        for call in self.at_end:
            call(sandbox)
        self._news.tell()
        if sandbox.main is not None:
            self._sidecars.discard(sandbox)
            sandbox.main.sidecars.ended(sandbox)
            return
        if self._named.get((sandbox.app_id, sandbox.name)) is sandbox:
            del self._named[sandbox.app_id, sandbox.name]
        for evicted in self._finished.add(sandbox, sandbox.output_bytes()):
            self._forget(evicted)

    def _forget(self, sandbox: ServedSandbox) -> None:
        del self._sandboxes[sandbox.id], self._by_task[sandbox.task_id]
        self._forgotten[sandbox.id] = None
        if len(self._forgotten) > FORGOTTEN:
            del self._forgotten[next(iter(self._forgotten))]
        for container in (sandbox, *sandbox.sidecars.all()):
            container.commands.discard()
