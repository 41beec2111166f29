"""Conversations with programs whose memory is snapshotted."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_sandbox.engine import (
    MemorySnapshot,
    ProcessSpec,
    TaskSpec,
)

from ..stories import LOOP

if TYPE_CHECKING:
    from pytest_sandbox.local import LocalEngine
    from pytest_sandbox.local.engine.task import LocalTask


@dataclass
class Talk:
    """A conversation with a main process that runs `LOOP`."""

    task: LocalTask
    seen: int = field(default=0)

    async def hears(self) -> str:
        assert self.task.main is not None
        data = b""
        while not data.endswith(b"\n"):
            more = await asyncio.wait_for(self.task.main.stdout.read(self.seen), 20)
            assert more, await wrote(self.task)
            data += more
            self.seen += len(more)
        return data.decode()

    async def asks(self) -> str:
        assert self.task.main is not None
        await self.task.main.write_stdin(b"\n")
        return await self.hears()


async def wrote(task: LocalTask) -> str:
    """What the main process wrote to its standard error."""
    assert task.main is not None
    return (await task.main.stderr.read(0)).decode()


async def tells(engine: LocalEngine, story: str) -> Talk:
    """A task whose main process is a story."""
    main = ProcessSpec(("python3", "-c", story + LOOP))
    talk = Talk(await engine.create(TaskSpec(main=main, freezable=True)))
    assert await talk.hears() == "ready\n"
    return talk


async def resumed(engine: LocalEngine, image: MemorySnapshot) -> Talk:
    return Talk(await engine.create(TaskSpec(resume=image)))
