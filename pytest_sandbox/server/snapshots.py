"""Snapshots of files on the control plane."""

from pytest_sandbox._proto import common_pb2, images_pb2
from pytest_sandbox._proto import snapshots_pb2 as pb

from ._checks import check_timeout
from ._rpc import Call, once
from ._snapshots import in_time, keep_files
from ._state import IMAGE_BUILDER_VERSION, State

_Result = common_pb2.GenericResult


class Snapshots:
    """The RPC by which older clients keep the files of a sandbox."""

    def __init__(self, state: State) -> None:
        self._state = state

    @once
    async def SandboxSnapshotFs(
        self, request: pb.SandboxSnapshotFsRequest, call: Call
    ) -> pb.SandboxSnapshotFsResponse:
        """Keep all files, for as long as there is room, if it takes at most `timeout` seconds."""
        box = self._state.boxes.get(request.sandbox_id)
        check_timeout(request.timeout)
        keeping = keep_files(self._state, box, None)
        image = await in_time(self._state, request.timeout, keeping)
        if image is None:
            return pb.SandboxSnapshotFsResponse(
                result=_Result(
                    status=_Result.GENERIC_STATUS_TIMEOUT,
                    exception=f"the snapshot takes longer than {request.timeout:g} seconds: "
                    "give it a longer timeout",
                )
            )
        return pb.SandboxSnapshotFsResponse(
            image_id=image.id,
            result=_Result(status=_Result.GENERIC_STATUS_SUCCESS),
            image_metadata=images_pb2.ImageMetadata(image_builder_version=IMAGE_BUILDER_VERSION),
        )
