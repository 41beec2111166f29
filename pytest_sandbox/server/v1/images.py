"""Images: what FROM names is found, and steps on it are built.

A definition is a list of lines of a Dockerfile. The lines with which Modal's `Image.debian_slim`
prepares a base do nothing here, and one label asks for the project.
"""

from __future__ import annotations

import codecs
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from google.protobuf.empty_pb2 import Empty

from pytest_sandbox._proto import common_pb2
from pytest_sandbox._proto import images_pb2 as pb

from ..model.checks import check_timeout
from ..model.image_keys import key_of_image
from ..model.images import HOST_IMAGE, ImageRecord
from ..model.state import IMAGE_BUILDER_VERSION
from ..rpc.errors import invalid
from ..rpc.handlers import once

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ..builds.build import Build
    from ..builds.builder import Builder
    from ..definition.image_definitions import Definitions
    from ..model.state import State
    from ..rpc.call import ServedCall

#: The definition of the view of this machine that our own client sends; most sandboxes have it.
_HOST = pb.Image(dockerfile_commands=["FROM host"])
_HOST_KEY = key_of_image(HOST_IMAGE.key, HOST_IMAGE)


class ImageServicer:
    """The image RPCs."""

    def __init__(self, state: State, builder: Callable[[], Builder]) -> None:
        self._state = state
        self._builder = builder

    @cached_property
    def _definitions(self) -> Definitions:
        from ..definition.image_definitions import (
            Definitions,  # late: most runs have the host image only
        )

        return Definitions(self._state)

    @once
    async def ImageGetOrCreate(
        self, request: pb.ImageGetOrCreateRequest, call: ServedCall
    ) -> pb.ImageGetOrCreateResponse:
        """An image by its definition; without a result if it is being built."""
        if request.existing_image_id:
            return _response(self._state.images.get(request.existing_image_id))
        if request.image == _HOST:
            return _response(self._host_image())
        from ..registries.registry_images import ImageUnavailable

        force = request.force_build or request.ignore_cache
        known = None if force else self._definitions.known(request.image)
        if known is not None:
            return _response(known)
        try:
            planned = await self._definitions.read(request.image, force=force)
        except ImageUnavailable as error:
            # To clients, it is a build that failed.
            return pb.ImageGetOrCreateResponse(
                image_id=self._state.ids.new("im"),
                result=common_pb2.GenericResult(
                    status=_FAILURE, exception=error.message, exitcode=1
                ),
            )
        return _response(self._builder().image(planned, force=force))

    def _host_image(self) -> ImageRecord:
        """What reading and building its definition would give."""
        image = self._state.images.built(_HOST_KEY)
        if image is None:
            image = replace(HOST_IMAGE, id=self._state.ids.new("im"))
            self._state.images.add(_HOST_KEY, image)
        return image

    @once
    async def ImageDelete(self, request: pb.ImageDeleteRequest, call: ServedCall) -> Empty:
        """Delete an image; sandboxes that were created from it stay."""
        if self._state.encrypted.forget(request.image_id):
            return Empty()
        self._state.images.get(request.image_id)  # which says why it does not exist
        await self._state.images.forget(request.image_id)
        return Empty()

    async def ImageJoinStreaming(
        self, request: pb.ImageJoinStreamingRequest, call: ServedCall
    ) -> AsyncIterator[pb.ImageJoinStreamingResponse]:
        """The output of a build as it comes, and how it ended.

        An entry id is the offset in the output just past the text of the entry. After `timeout`
        seconds without output it ends without a result, and the client asks again.
        """
        check_timeout(request.timeout)
        build = self._builder().find(request.image_id)
        if build is None:
            image = _response(self._state.images.get(request.image_id))
            yield pb.ImageJoinStreamingResponse(
                result=image.result, metadata=image.metadata, eof=True
            )
            return
        async for response in self._follow(build, request, call):
            yield response

    async def _follow(
        self, build: Build, request: pb.ImageJoinStreamingRequest, call: ServedCall
    ) -> AsyncIterator[pb.ImageJoinStreamingResponse]:
        from .logs import CHUNK, read_until

        clock = self._state.clock
        deadline = clock.monotonic() + request.timeout
        offset = max(_offset(request.last_entry_id), build.log.first)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")

        async def room() -> int:
            return await call.room(3 * CHUNK) // 3

        with build.watched():
            while data := await read_until(build.log, offset, clock, deadline, room):
                offset += len(data)
                text = decoder.decode(data)
                entry = str(offset - len(decoder.getstate()[0]))
                logs = [common_pb2.TaskLogs(data=text, file_descriptor=_STDOUT)] if text else []
                yield pb.ImageJoinStreamingResponse(task_logs=logs, entry_id=entry)
            if build.result is not None:
                yield pb.ImageJoinStreamingResponse(
                    result=build.result, metadata=_METADATA, entry_id=str(offset), eof=True
                )

    async def ImageFromId(
        self, request: pb.ImageFromIdRequest, call: ServedCall
    ) -> pb.ImageFromIdResponse:
        """An image by id."""
        if self._state.encrypted_snapshot(request.image_id) is not None:
            return pb.ImageFromIdResponse(image_id=request.image_id, metadata=_METADATA)
        image = self._state.images.get(request.image_id)
        return pb.ImageFromIdResponse(image_id=image.id, metadata=_METADATA)


def _offset(entry_id: str) -> int:
    if entry_id and not (entry_id.isascii() and entry_id.isdigit() and len(entry_id) < 19):
        raise invalid(f"{entry_id!r} is not an entry id of this server")
    return int(entry_id or 0)


_STDOUT = common_pb2.FILE_DESCRIPTOR_STDOUT
_METADATA = pb.ImageMetadata(image_builder_version=IMAGE_BUILDER_VERSION)
_FAILURE = common_pb2.GenericResult.GENERIC_STATUS_FAILURE
_READY = common_pb2.GenericResult(status=common_pb2.GenericResult.GENERIC_STATUS_SUCCESS)


def _response(image: ImageRecord | Build) -> pb.ImageGetOrCreateResponse:
    if isinstance(image, ImageRecord):
        return pb.ImageGetOrCreateResponse(image_id=image.id, result=_READY, metadata=_METADATA)
    return pb.ImageGetOrCreateResponse(image_id=image.id)
