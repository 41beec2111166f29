"""A session: what one run does here, which ends with the session."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, cast

from pytest_sandbox._proto import engine_pb2 as pb
from pytest_sandbox._proto.engine_grpc import EngineBase
from pytest_sandbox._shared.async_tasks import cancel_and_wait
from pytest_sandbox.engine import EngineUnavailable, SupportsPackages

from ..wire.infos import FarInfo, info_to_wire
from ..wire.options import options_from_wire
from .answering import serve
from .engine_calls import EngineCalls
from .file_calls import FarFileCalls
from .held import Held
from .long_calls import LongCalls
from .machine import this_machine
from .port_calls import PortCalls
from .task_calls import FarTaskCalls

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from grpclib.const import Handler

    from pytest_sandbox.engine import Engine, EngineInfo

log = logging.getLogger("pytest_sandbox.remote")


class FarSession:
    """The calls of one run, served by an engine of its own.

    So a run can name nothing of another one, and when the session is over, closing the engine ends
    all that the run has made.

    Args:
        make_engine: makes an engine, which is not started, with options that the run chose.
    """

    def __init__(self, make_engine: Callable[[Mapping[str, str]], Engine]) -> None:
        self._make_engine = make_engine
        self._engine: Engine | None = None
        self._starting: asyncio.Task[EngineInfo] | None = None
        self._over = False

    def __mapping__(self) -> Mapping[str, Handler]:
        """The handlers of all calls, for a gRPC server."""
        held = Held(lambda: self._started)
        parts = (self, LongCalls(held), FarTaskCalls(held), PortCalls(held))
        servicers: tuple[object, ...] = (*parts, FarFileCalls(held), EngineCalls(held))
        return {
            path: entry._replace(func=serve(_method(servicers, str(entry.func)), entry, held.told))
            for path, entry in _entries().items()
        }

    @property
    def _started(self) -> Engine:
        starting = self._starting
        if self._over or self._engine is None or starting is None or not starting.done():
            raise EngineUnavailable("the engine is not started, or it is closed")
        return self._engine

    async def start(self, request: pb.StartRequest) -> pb.StartReply:
        """Make the engine, and start it."""
        if self._engine is not None or self._over:
            raise EngineUnavailable("the engine of this session was started before")
        engine = self._engine = self._make_engine(options_from_wire(request.options))
        self._starting = asyncio.ensure_future(engine.start())
        info = await asyncio.shield(self._starting)
        packages: tuple[bool, tuple[str, ...]] = (False, ())
        if isinstance(engine, SupportsPackages):
            packages = await asyncio.to_thread(_packages, engine)
        machine = await asyncio.to_thread(this_machine, info)
        return info_to_wire(FarInfo(info, machine, *packages))

    async def close(self, request: pb.CloseRequest) -> pb.Done:
        """End all that the run has made."""
        await self.end()
        return pb.Done()

    async def end(self) -> None:
        """The session is over: end all that the run has made; a second call waits for that too."""
        self._over = True
        if self._starting is not None and not self._starting.done():
            await cancel_and_wait(self._starting)
        if self._engine is not None:
            await self._engine.close()


def _packages(engine: SupportsPackages) -> tuple[bool, tuple[str, ...]]:
    if not engine.has_packages:
        return False, ()
    database = engine.package_database()
    return True, database.left_out


def _entries() -> Mapping[str, Handler]:
    """The calls by path; in the place of its function, each has its name."""
    return EngineBase.__mapping__(cast("Any", _RpcNames()))


class _RpcNames:
    def __getattr__(self, name: str) -> str:
        return name


def _method(servicers: tuple[object, ...], name: str) -> Any:
    """What serves a call: the method of its name, as Python writes names."""
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return next(
        getattr(each, snake[1:]) for each in servicers if callable(getattr(each, snake[1:], None))
    )
