"""Exit snapshots, which clients ask for when they create a sandbox, and fetch after its end."""

import asyncio

from pytest_sandbox._proto import sandboxes_v2_pb2 as pb
from pytest_sandbox._shared.async_tasks import within
from pytest_sandbox.engine import EngineError

from ..model.checks import check_timeout
from ..model.sandbox import ServedSandbox
from ..model.state import State
from ..rpc.call import ServedCall
from ..rpc.errors import invalid
from .sandbox_tokens import with_sandbox_token

_Response = pb.SandboxGetExitSnapshotResponse


class ExitSnapshotServicer:
    """The RPCs behind `Sandbox._experimental_get_exit_snapshot`, the same for both versions."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.SandboxGetExitSnapshotV2 = with_sandbox_token(state, self.SandboxGetExitSnapshot)

    async def SandboxGetExitSnapshot(
        self, request: pb.SandboxGetExitSnapshotRequest, call: ServedCall
    ) -> pb.SandboxGetExitSnapshotResponse:
        """The image of a sandbox that has ended; it is pending if there is none in `timeout` s."""
        sandbox = self._state.sandboxes.get(request.sandbox_id)
        check_timeout(request.timeout)
        if not sandbox.spec.exit_snapshot:
            raise invalid(
                f"{sandbox} was created without experimental_options="
                "{'enable_exit_snapshot': True}: it has no exit snapshot"
            )
        try:
            image_id = await within(sandbox.clock, request.timeout, _image_id(sandbox))
        except asyncio.TimeoutError:
            return _Response(pending=_Response.Pending())
        except EngineError as error:
            return _Response(
                error=_Response.Error(
                    error_code=_Response.ERROR_CODE_FILESYSTEM_INCONSISTENT,
                    message=f"the files of {sandbox} are gone: {error}",
                )
            )
        return _Response(success=_Response.Success(image_id=image_id))


async def _image_id(sandbox: ServedSandbox) -> str:
    await sandbox.over()
    assert sandbox.exit_image is not None
    return (await asyncio.shield(sandbox.exit_image)).id
