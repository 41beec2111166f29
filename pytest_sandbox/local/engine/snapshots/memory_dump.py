"""Taking a snapshot of a sandbox's files and of the memory of its processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox.engine import NotFreezable

from ...agents.errors import OperationFailed
from ...protocol.criu import DumpRequest, ProcessesDumped
from .snapshot_errors import snapshot_error
from .stored_memory import MainProcess, StoredMemory

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_sandbox.engine import TaskSpec

    from ...agents.agent_link import AgentLink
    from ...agents.process import LocalProcess
    from .snapshotter import Snapshotter

#: Bytes that the images of CRIU may take at least, so that it can say what it wants to.
_LEAST_ROOM = 1 << 20


async def dump(
    spec: TaskSpec,
    link: AgentLink,
    snapshotter: Snapshotter,
    is_open: Callable[[], bool],
    main: LocalProcess | None,
    room: int,
) -> StoredMemory:
    """Stop everything in a sandbox, and store its files and memory; it resumes after that.

    Args:
        spec: of the sandbox.
        link: its agent.
        snapshotter: takes the snapshot of its files.
        is_open: as for `Snapshotter.snapshot`.
        main: its main process, if it has one.
        room: bytes that the memory may take.

    Raises:
        NotFreezable: CRIU cannot dump a process.
        StoreFull: there is no room.
        TaskEnded: the sandbox has ended.
    """
    # Strictly: CRIU traces each process, and one that waits in the kernel does not stop for that.
    async with snapshotter.paused_snapshot(link, is_open, strictly=True) as (files, stopped):
        stored_main = None
        if main is not None and spec.main is not None:
            stored_main = MainProcess(spec.main, main.pid, main.pipes(spec.main), main.terminal)
        pipes = link.pipes() | set(stored_main.pipes.values() if stored_main else ())
        request = DumpRequest(
            name=snapshotter.name,
            room=max(room, _LEAST_ROOM),
            pipes=sorted(pipes),
            stopped=stopped,
        )
        try:
            dumped, (images,) = await snapshotter.run_criu(request, ProcessesDumped)
        except OSError as error:
            raise snapshot_error(error) from error
        except OperationFailed as refusal:
            raise NotFreezable(str(refusal)) from None
    return StoredMemory(files, images, dumped.state, stored_main)
