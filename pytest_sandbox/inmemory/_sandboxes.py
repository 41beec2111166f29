"""An engine in memory with everything in front of it that a real one has."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pytest_sandbox._proto.volumes_pb2 import VOLUME_FS_VERSION_UNSPECIFIED
from pytest_sandbox._run import Announcement
from pytest_sandbox._shared.checks import problem_with_list
from pytest_sandbox._shared.pickling import Unpicklable
from pytest_sandbox.client import Client
from pytest_sandbox.client.transport import portal
from pytest_sandbox.engine import OPEN_NETWORK, EngineUnavailable, SystemClock
from pytest_sandbox.fakes import FakeEngine, HostScript, PortScript, Script, VirtualClock, settle
from pytest_sandbox.rpcs import Faults, NetworkFaults, Rpcs
from pytest_sandbox.server import Application, ListenerConfig, Listeners

from ._clock import TestClock
from ._scripting import restrict
from ._strictness import Evidence, Seen, check_rules, violations
from ._transport import MemoryServer
from ._view import FakeSandboxFiles, on_loop
from ._waiting import main_thread_waits

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence
    from pathlib import Path
    from types import EllipsisType, TracebackType

    from typing_extensions import Self

    from pytest_sandbox._proto.inspector_pb2 import InspectorRecordResponse
    from pytest_sandbox.client import Sandbox, Volume
    from pytest_sandbox.fakes import Anything, Matcher
    from pytest_sandbox.server import Recorder, ServedSandbox, Tcp

T = TypeVar("T")

#: Timers that `close` skips to, so that no sleeping coroutine is left.
_LAST_MOMENTS = 1000
#: Seconds of real time in which commands may end by themselves before rules are checked.
_SETTLE_TIMEOUT = 1.0
#: Bytes of file content that a sandbox has room for, by default.
_DISK = 1024**3


class FakeSandboxes(Unpicklable):
    """Sandboxes in memory: the real client, protocol and server, and an engine without a kernel.

    No process is started, no port opened, and nothing waits for real time. What the fixture of
    the same name gives to a test; elsewhere it is a context manager, in which it is the default
    for `Sandbox.create`.

    Args:
        seed: what ids are derived from: the same ones in every run.
        files: what every sandbox has besides the usual, absolute path to content.
        disk: bytes of file content that each has room for; 1 GiB by default.
        gpus: names of the GPUs that `nvidia-smi` lists.
        network: of sandboxes that say nothing about it: `"none"` or `"open"`.
        autojump: whether time skips when everybody waits for it; see `TestClock`.
        allow: rules that may be broken; see `RULES`.
        volume_semantics: `"modal"` if what a sandbox writes to a volume is seen by others only
            when it is committed and they reload; `"shared"` if at once.

    Attributes:
        client: of these sandboxes.
        clock: their time.
        rpcs: the calls that were made.
        faults: plans what goes wrong with calls.
        network_faults: plans what goes wrong with connections to elsewhere.
        info: name, version and capabilities of the engine.
    """

    instead = "its engine is in the memory of this one. Use threads, or the local engine"

    def __init__(
        self,
        *,
        seed: str = "",
        files: Mapping[str, str | bytes] | None = None,
        disk: int = _DISK,
        gpus: Sequence[str] = (),
        network: str = "none",
        autojump: bool = True,
        allow: Sequence[str] = (),
        volume_semantics: str = "shared",
    ) -> None:
        for name, value in {"gpus": gpus, "allow": allow}.items():
            if problem := problem_with_list(name, value, "names"):
                raise ValueError(problem)
        check_rules(allow)
        if volume_semantics not in ("modal", "shared"):
            raise ValueError(f"volume_semantics={volume_semantics!r} is neither modal nor shared")
        if network not in ("none", "open"):
            raise ValueError(f"network={network!r} is neither none nor open")
        self._allowed = set(allow)
        self._time = VirtualClock()
        self._engine = FakeEngine(
            clock=self._time,
            files=files,
            disk=disk,
            gpus=gpus,
            network=OPEN_NETWORK if network == "open" else None,
        )
        self._open = True
        self._before: list[tuple[Client | None, Announcement]] = []
        self._listeners: Listeners | None = None
        self.clock = TestClock(self._time, autojump=autojump)
        self.info = _at_once(self._engine.start())
        self._app = Application(
            self._engine, self.info, seed=seed, private_volumes=volume_semantics == "modal"
        )
        listener = ListenerConfig("memory", inspector=True, local=True)
        app = self._app
        self._server = MemoryServer(lambda: app.server(listener), self._time)
        self.client = Client.of_server(self._server)
        self._portal = portal()
        self._portal.idlers.append(self._jump)
        self.rpcs = Rpcs(_OnLoop(self._app.recorder))
        self.faults = Faults(self.client.inspector)
        self.network_faults = NetworkFaults(self.client.inspector)

    def listen(self, ca_file: Path) -> Tcp:
        """Serve real Modal clients too, on the loopback network, until `close`.

        Time skips ahead while a call of theirs is under way and the main thread waits.

        Args:
            ca_file: where to write the certificate of the command router.

        Raises:
            OSError: there is no free port or descriptor.
        """
        return portal().run(lambda: self._listen(ca_file))

    async def _listen(self, ca_file: Path) -> Tcp:
        self._listeners = Listeners(self._app)
        self._portal.watch(1)
        # Modal's clients judge the expiry of tokens by the time of the machine.
        self._app.state.tokens.clock = SystemClock()
        return await self._listeners.tcp("127.0.0.1", 0, ca_file)

    def _jump(self) -> bool:
        """Skip to what is due next, unless calls wait for another engine.

        One of another process does real work meanwhile; one in memory has a clock of its own.
        """
        if not self._portal.busy and not self._others_wait():
            return False
        waited_for = self._portal.waited_for
        if not all(server.in_memory for server in waited_for):
            return False
        return (not waited_for or self._server in waited_for) and self.clock.jump()

    def _others_wait(self) -> bool:
        """Whether a test waits for a call of a Modal client."""
        return self._listeners is not None and self._listeners.calls > 0 and main_thread_waits()

    # What a test says

    def on_exec(
        self,
        *words: Matcher | EllipsisType,
        sandbox: Sandbox | str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Script:
        """Say what a command does, in sandboxes that run already as well as in later ones.

        The last script that matches is taken, also for commands that are built in and for those
        that a shell runs.

        Args:
            words: the command, word by word: text, `ANY`, a compiled pattern for the whole word,
                or a function that is given the word. `...` at the end stands for any more words.
            sandbox: only there; a sandbox, its id, or its name. Its main process starts before
                it has an id, and is found only if it has a name.
            tags: only in sandboxes that have these.

        Raises:
            TypeError, ValueError: it could never match.
        """
        __tracebackhide__ = True
        script = self._engine.on_exec(*words)
        restrict(script, self._app.state.sandboxes, sandbox, tags)
        return script

    def on_connect(
        self,
        port: int | Anything,
        *,
        sandbox: Sandbox | str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> PortScript:
        """Say what happens to connections to a port, in running sandboxes and in later ones.

        Connections come through the tunnels of a sandbox. The last script that matches is taken,
        also if a process of the sandbox listens there.

        Args:
            port: its number, or `ANY`.
            sandbox: only there; a sandbox, its id, or its name.
            tags: only in sandboxes that have these.

        Raises:
            InvalidSpec: it is no port.
        """
        __tracebackhide__ = True
        script = self._engine.on_connect(port)
        restrict(script, self._app.state.sandboxes, sandbox, tags)
        return script

    def on_connect_to(
        self,
        host: str | Anything,
        port: int | Anything,
        *,
        address: str | None = None,
        sandbox: Sandbox | str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> HostScript:
        """Say what happens when scripted commands connect to a host, see `Call.connect`.

        The last script that matches is taken. The network of a sandbox has to allow the connection.

        Args:
            host: a name, as it is looked up; `"*.example.com"` for all below `example.com`; an
                address; a network; or `ANY`.
            port: its number, or `ANY`.
            address: what the name resolves to; a public one that is made up unless given.
            sandbox: only from there; a sandbox, its id, or its name.
            tags: only from sandboxes that have these.

        Raises:
            InvalidSpec: it is no host, no port or no address.
        """
        __tracebackhide__ = True
        script = self._engine.on_connect_to(host, port, address=address)
        restrict(script, self._app.state.sandboxes, sandbox, tags)
        return script

    def filesystem(self, sandbox: Sandbox | str) -> FakeSandboxFiles:
        """The files of a sandbox, given as such or by its id, without a call that is recorded.

        Raises:
            ValueError: there is no such sandbox here.
        """
        sandbox_id = str(getattr(sandbox, "object_id", sandbox))
        box = next((each for each in self._boxes() if each.id == sandbox_id), None)
        if box is None:
            raise ValueError(f"{sandbox!r} is not a sandbox of this test")
        return FakeSandboxFiles(box.task.view)  # type: ignore[attr-defined]  # a MemoryTask

    def volume(self, volume: Volume | str) -> FakeSandboxFiles:
        """The files of a volume, given as such or by its name, without a call that is recorded.

        One of that name is made if there is none, so that a test can fill it beforehand. It may
        be read and written while sandboxes have it mounted.
        """
        name = volume if isinstance(volume, str) else volume.name
        known = "" if name or isinstance(volume, str) else volume.object_id
        return FakeSandboxFiles(
            on_loop(lambda: self._engine.volume(known or self._volume(name or "")))
        )

    def _volume(self, name: str) -> str:
        """The id of a volume, made if need be."""
        volumes = self._app.state.volumes
        environment = self._app.state.apps.environment("")
        there = volumes.named(environment, name)
        return (there or volumes.add(name, environment, VOLUME_FS_VERSION_UNSPECIFIED)).id

    def allow(self, *rules: str) -> None:
        """Allow that rules are broken; takes names of `RULES`.

        Raises:
            ValueError: there is no such rule.
        """
        check_rules(rules)
        self._allowed.update(rules)

    # How it ends

    @property
    def problems(self) -> list[str]:
        """What went wrong so far in the engine, as text.

        Unknown commands, handlers that raised, and what built-in programs do not support.
        """
        return self._engine.problems

    @property
    def ids(self) -> list[str]:
        """The ids of all sandboxes that were made, in that order."""
        return [box.id for box in self._boxes()]

    def violations(self) -> list[str]:
        """A message for each rule that was broken, and not allowed to be."""
        return self._judged(portal().run(self._settled))

    def finish(self) -> list[str]:
        """The same, and end everything, with which nothing has to wait for another turn."""
        faults = self._unfired()

        async def last() -> Seen:
            seen = await self._settled()
            if not seen.unimplemented:  # else its calls are looked at, while they are held
                self._open = False
                await self._end()
            return seen

        broken = self._judged(portal().run(last), faults)
        self.close()
        return broken

    def _judged(self, seen: Seen, unfired: list[str] | None = None) -> list[str]:
        unfired = self._unfired() if unfired is None else unfired
        return violations(Evidence(seen, self.rpcs, unfired), self._allowed)

    def _unfired(self) -> list[str]:
        unfired = [*self.faults.unfired(), *self.network_faults.unfired()]
        return [f"{fault!r} ({fault.place})" for fault in unfired]

    async def _settled(self) -> Seen:
        """Let commands end that need no time for it; one that never pauses is not waited for."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(settle(), _SETTLE_TIMEOUT)
        return Seen.of(self._engine, self._app)

    def close(self) -> None:
        """End everything; a second call does nothing."""
        if self._open:
            self._open = False
            portal().run(self._end)

    async def _end(self) -> None:
        self.rpcs.close()
        if self._jump in self._portal.idlers:
            self._portal.idlers.remove(self._jump)
        if self._listeners is not None:
            self._listeners.close()
            self._portal.watch(-1)
        await self.client.close.core()
        await self._app.close()
        await settle()
        for _ in range(_LAST_MOMENTS):
            if not self._time.jump():
                break
            await settle()
        self._app.forget()

    def __enter__(self) -> Self:
        if not self._open:
            raise EngineUnavailable("these sandboxes are closed", "Make a new FakeSandboxes.")
        self._before.append((Client.set_default(self.client), Announcement.in_memory()))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        client, announcement = self._before.pop()
        Client.set_default(client)
        announcement.end()
        self.close()

    def __repr__(self) -> str:
        return f"<fake sandboxes: {len(self._app.state.sandboxes.running())} running>"

    def _boxes(self) -> list[ServedSandbox]:
        boxes = self._app.state.sandboxes.all
        return on_loop(boxes) if self._open else boxes()  # which changes no more


def _at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        return cast("T", done.value)
    raise AssertionError("it waits for something")


class _OnLoop:
    """A recorder, asked where it records."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def record_start(self) -> int:
        """Begin to record; the number of the next call."""
        return self._recorder.record_start()  # it only counts

    def record_stop(self) -> None:
        """End what `record_start` began; called where it records."""
        self._recorder.record_stop()

    def upcoming(self) -> int:
        """The number of the next call."""
        return self._recorder.upcoming()

    def record(self, since: int) -> InspectorRecordResponse:
        """Records of calls."""
        return on_loop(lambda: self._recorder.record(since))
