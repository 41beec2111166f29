"""An engine whose calls begin and never end, but for those that a test lets through."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from pytest_sandbox import engine
from pytest_sandbox.engine import (
    Ability,
    Capability,
    Connection,
    Engine,
    EngineInfo,
    ExitStatus,
    Files,
    OpenFile,
    OutputLog,
    Process,
    SystemClock,
    Task,
)

ABILITIES = [
    each for each in vars(engine).values() if isinstance(each, type) and issubclass(each, Ability)
]
OF_ENGINES = tuple(
    getattr(engine, f"Supports{name}")
    for name in (
        *("ConnectionFaults", "Export", "Flatten", "Forget", "Images", "Packages", "Prepare"),
        "Volumes",
    )
)
OF_TASKS = tuple(each for each in ABILITIES if each not in (*OF_ENGINES, Ability))
#: Async generators of the contract.
STREAMS = {"watch", "pack", "export"}
_EXITED = ExitStatus(code=7)


class Begun:
    """Which calls have begun."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.cancelled: list[str] = []
        self._news = asyncio.Event()

    async def stick(self, name: str) -> Any:
        self.names.append(name)
        self._news.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            self.cancelled.append(name)
            self._news.set()
            raise

    async def until(self, name: str, *, cancelled: bool = False) -> None:
        """Return when a call has begun, or was given up."""
        while name not in (self.cancelled if cancelled else self.names):
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), 20)


def stuck(begun: Begun, name: str, *bases: type, **members: Any) -> Any:
    """An object of these classes, all of whose calls never end."""

    def member(call: str) -> Any:
        async def stick(*_: Any, **__: Any) -> Any:
            return await begun.stick(call)

        async def stream(*_: Any, **__: Any) -> AsyncIterator[bytes]:
            await begun.stick(call)
            yield b""

        return stream if call in STREAMS else stick

    calls = {call for base in bases for call in getattr(base, "__abstractmethods__", ())}
    kind = type(name, bases, {**{call: member(call) for call in calls}, **members})
    return kind()


class StuckEngine:
    """Makes the engine, with one task, one process, one open file and one connection.

    Attributes:
        begun: the calls that have begun.
        through: the names of calls that end at once.
        exits: set to have the process exit, with code 7.
    """

    def __init__(self) -> None:
        self.begun = Begun()
        self.exits = asyncio.Event()
        self.through = {"create", "exec", "open", "connect"}
        self.process = stuck(
            self.begun,
            "StuckProcess",
            Process,
            stdout=OutputLog(),
            stderr=OutputLog(),
            poll=lambda _: self._status(),
            wait=self._exit,
        )
        self.file = stuck(self.begun, "StuckFile", OpenFile)
        self.connection = stuck(self.begun, "StuckConnection", Connection, close=_at_once)
        files = stuck(self.begun, "StuckFiles", Files, open=self._gives("open", self.file))
        self.task = stuck(
            self.begun,
            "StuckTask",
            Task,
            *OF_TASKS,
            main=self.process,
            files=files,
            poll=lambda _: None,
            exec=self._gives("exec", self.process),
            connect=self._gives("connect", self.connection),
        )
        self.closed = 0

    def engine(self) -> Engine:
        """The engine."""

        async def start(_: Engine) -> EngineInfo:
            if "start" in self.begun.names:
                await self.begun.stick("start")
            return EngineInfo("stuck", "still", frozenset({Capability.PORT}))

        async def close(_: Engine) -> None:
            self.closed += 1

        made: Engine = stuck(
            self.begun,
            "StuckThing",
            Engine,
            *OF_ENGINES,
            clock=SystemClock(),
            start=start,
            close=close,
            create=self._gives("create", self.task),
            has_packages=False,
            image_store=None,
            frees=lambda _, snapshot: True,
            package_database=lambda _: None,
        )
        return made

    async def _exit(self, *_: Any) -> ExitStatus:
        await self.exits.wait()
        return _EXITED

    def _status(self) -> ExitStatus | None:
        return _EXITED if self.exits.is_set() else None

    def _gives(self, name: str, thing: object) -> Any:
        async def call(*_: Any, **__: Any) -> Any:
            if name in self.through:
                return thing
            return await self.begun.stick(name)

        return call


async def _at_once(*_: Any) -> None:
    pass
