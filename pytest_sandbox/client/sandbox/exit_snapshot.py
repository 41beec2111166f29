"""The snapshot of a sandbox that has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._proto.sandboxes_v2_pb2 import SandboxGetExitSnapshotRequest

from ..exceptions import SnapshotCreationError
from ..exceptions import TimeoutError as ModalTimeoutError
from ..image import Image
from ..transport.calls import TIMEOUT

if TYPE_CHECKING:
    from ..transport.calls import Calls

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: Seconds that the server holds a request at most, as Modal's clients ask.
_HOLD = 10.0


async def exit_snapshot(
    calls: Calls, sandbox_id: str, timeout: float | None, *, second: bool
) -> Image:
    """Wait for it; arguments as those of `_experimental_get_exit_snapshot`.

    Args:
        calls: to ask with.
        sandbox_id: whose snapshot.
        timeout: seconds to wait at most; `None` without end.
        second: whether the sandbox is of the second version of the API.
    """
    hold = max(_HOLD, calls.hold)
    end = None if timeout is None else calls.clock.monotonic() + timeout
    while True:
        left = hold if end is None else max(0.0, min(hold, end - calls.clock.monotonic()))
        request = SandboxGetExitSnapshotRequest(sandbox_id=sandbox_id, timeout=left)
        response = await calls.control(
            lambda link: (
                link.control.SandboxGetExitSnapshotV2
                if second
                else link.control.SandboxGetExitSnapshot
            ),
            request,
            timeout=left + TIMEOUT,
        )
        outcome = response.WhichOneof("outcome")
        if outcome == "success":
            return Image.from_id(response.success.image_id)
        if outcome == "error":
            raise SnapshotCreationError(response.error.message)
        if end is not None and calls.clock.monotonic() >= end:
            raise ModalTimeoutError(f"{sandbox_id} has not ended in {timeout:g} seconds")
