"""Builds of images: waits until the server has done the steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._proto import images_pb2 as pb
from pytest_sandbox._proto.common_pb2 import GenericResult

from ..exceptions import ImageBuildError
from ..transport.retries import CONTROL
from .enable_output import show

if TYPE_CHECKING:
    from ..base_client import BaseClient

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: Seconds that the server holds a request for the output of a build.
_HOLD = 55.0


async def build(client: BaseClient, definition: pb.Image, *, force: bool) -> str:
    """The id of an image, which is there when this returns.

    Raises:
        ImageBuildError: a step failed.
    """
    request = pb.ImageGetOrCreateRequest(image=definition, force_build=force)
    response = await client.calls.control(lambda link: link.control.ImageGetOrCreate, request)
    image_id, result = response.image_id, response.result
    join = pb.ImageJoinStreamingRequest(image_id=image_id, timeout=max(_HOLD, client.calls.hold))
    while not result.status:
        async for message in client.calls.stream(
            lambda link: link.control.ImageJoinStreaming, lambda: join, {}, CONTROL
        ):
            join.last_entry_id = message.entry_id or join.last_entry_id
            result = message.result
            show(message.task_logs)
    if result.status != GenericResult.GENERIC_STATUS_SUCCESS:
        raise ImageBuildError(f"the build of {image_id} failed:\n{result.exception}", image_id)
    return image_id
