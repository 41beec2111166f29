"""Exit snapshots: of the files of sandboxes as they were when these ended."""

import asyncio
from contextlib import ExitStack

from pytest_sandbox._shared.async_tasks import retrieve
from pytest_sandbox.engine import SupportsExitSnapshots, SupportsForget, Task

from ..model.images import ImageRecord
from ..model.sandbox import ServedSandbox
from ..model.state import State
from .files import DEFAULT_TTL


def take_exit_snapshot(state: State, sandbox: ServedSandbox) -> None:
    """Have an image of the files of a sandbox that has ended, as was asked for.

    Args:
        state: the server's.
        sandbox: the sandbox, whose `exit_image` is set.
    """
    # Before anything can evict what the snapshot depends on.
    pins = ExitStack()
    pins.enter_context(state.snapshot_store.pinned(sandbox.image.snapshot_id))
    sandbox.exit_image = asyncio.ensure_future(_image(state, sandbox, pins))
    sandbox.exit_image.add_done_callback(retrieve)


async def forget_exit_snapshot(state: State, task: Task) -> None:
    """Forget the files of a task that another one has replaced in its sandbox.

    Raises:
        EngineError: as the engine raises it.
    """
    snapshot = await SupportsExitSnapshots.of(task).exit_snapshot()
    await SupportsForget.of(state.engine).forget(snapshot)


async def _image(state: State, sandbox: ServedSandbox, pins: ExitStack) -> ImageRecord:
    with pins:
        snapshot = await SupportsExitSnapshots.of(sandbox.task).exit_snapshot()
        image = sandbox.image
        return state.images.add_snapshot(
            snapshot, image, ttl=DEFAULT_TTL, depends_on=image.snapshot_id
        )
