"""What a client knows of a layer that a server has to build."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_sandbox._proto import images_pb2 as pb
from pytest_sandbox._proto.common_pb2 import GenericResult

from ..exceptions import ImageBuildError
from ..transport.retries import CONTROL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..base_client import BaseClient
    from ..image import Image
    from ..secret import Secret
    from .local_tree import LocalTree

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: Seconds that the server holds a request for the output of a build.
_HOLD = 55.0


@dataclass(frozen=True, eq=False)
class ImageLayer:
    """Lines of a Dockerfile on an image.

    Attributes:
        base: the image.
        lines: without FROM.
        secrets: variables of the steps.
        files: the context of COPY.
        context_files: further files for it, by their paths there; text or bytes of each.
        build_args: for ARG.
        force_build: make it again although the server has it.
    """

    base: Image
    lines: tuple[str, ...]
    secrets: tuple[Secret, ...] = ()
    files: LocalTree | None = None
    context_files: Mapping[str, str] = field(default_factory=dict)
    build_args: Mapping[str, str] = field(default_factory=dict)
    force_build: bool = False

    @property
    def plain(self) -> bool:
        """Whether its lines may be in one definition with others."""
        others = (self.secrets, self.files, self.context_files, self.build_args, self.force_build)
        return not any(others)


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
    if result.status != GenericResult.GENERIC_STATUS_SUCCESS:
        raise ImageBuildError(f"the build of {image_id} failed:\n{result.exception}", image_id)
    return image_id
