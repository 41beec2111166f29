"""Images: what FROM names is found, and steps on it are built.

A definition is a list of lines of a Dockerfile. The lines with which Modal's `Image.debian_slim`
prepares a base do nothing here, and one label asks for the project.
"""

import codecs
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from pytest_sandbox._proto import common_pb2
from pytest_sandbox._proto import images_pb2 as pb
from pytest_sandbox.engine import Capability

from ..builds.bases import Bases
from ..builds.build import Build
from ..builds.build_input import BuildInput
from ..builds.builder import Builder
from ..builds.context import BuildContext
from ..builds.failures import has_network
from ..builds.known_plans import KnownPlans
from ..builds.packages import shows_packages
from ..builds.plan import Plan, plan
from ..model.checks import check_environment, check_timeout, check_workdir
from ..model.images import ImageRecord
from ..model.state import IMAGE_BUILDER_VERSION, State
from ..registries.logins import login_of
from ..registries.registry_images import ImageUnavailable, Wanted
from ..rpc.call import ServedCall
from ..rpc.errors import invalid, unimplemented
from ..rpc.handlers import once
from .logs import CHUNK, read_until

if TYPE_CHECKING:
    from pytest_sandbox.images.registry import Login

_MACHINES = {"x86_64": pb.ARCH_X86_64, "aarch64": pb.ARCH_AARCH64}
_NO_FUNCTIONS = "Image.run_function", "a step runs a command: use run_commands"
#: Fields of a definition that change the build, with what sets them, and what to do instead.
_REFUSED = {
    "build_function_def": _NO_FUNCTIONS,
    "build_function": _NO_FUNCTIONS,
    "gpu_config": ("gpu of a step of an image", "steps have none; give it to Sandbox.create"),
    "volume_mounts": (
        "volumes of a step of an image",
        "copy what the step needs into the image, with add_local_dir(..., copy=True)",
    ),
}


class ImageServicer:
    """The image RPCs."""

    def __init__(self, state: State, builder: Builder) -> None:
        self._state = state
        self._builder = builder
        self._known = KnownPlans(state.images)
        # Tells secrets apart in keys of layers, and is known to nobody.
        self._secrets_key = secrets.token_bytes(32)

    @once
    async def ImageGetOrCreate(
        self, request: pb.ImageGetOrCreateRequest, call: ServedCall
    ) -> pb.ImageGetOrCreateResponse:
        """An image by its definition; without a result if it is being built."""
        if request.existing_image_id:
            return _response(self._state.images.get(request.existing_image_id))
        force = request.force_build or request.ignore_cache
        known = None if force else self._known.image(request.image)
        if known is not None:
            return _response(known)
        try:
            planned = await self._plan(request.image, force=force)
            self._known.add(request.image, planned)
        except ImageUnavailable as error:
            # To clients, it is a build that failed.
            return pb.ImageGetOrCreateResponse(
                image_id=self._state.ids.new("im"),
                result=common_pb2.GenericResult(
                    status=_FAILURE, exception=error.message, exitcode=1
                ),
            )
        return _response(self._builder.image(planned, force=force))

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
        build = self._builder.find(request.image_id)
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

    async def _plan(self, definition: pb.Image, *, force: bool) -> Plan:
        for name, (argument, instead) in _REFUSED.items():
            value = getattr(definition, name)
            # Clients send empty messages for arguments that were not given.
            if value.ByteSize() if isinstance(value, Message) else value:
                raise unimplemented(f"{argument} is not implemented by pytest-sandbox: {instead}")
        if definition.arch not in pb.Arch.values():
            raise invalid(f"arch={definition.arch} of an image is not known")
        if definition.arch not in (pb.ARCH_UNSPECIFIED, _MACHINES.get(os.uname().machine)):
            arch = pb.Arch.Name(definition.arch).removeprefix("ARCH_").lower()
            raise unimplemented(
                f"arch={arch!r} of an image is not implemented by pytest-sandbox: the machine "
                f"{os.uname().machine} runs its own; leave it out"
            )
        around = self._surroundings(definition, force=force)
        planned = await plan(definition.dockerfile_commands, around)
        for image in planned.images:
            check_environment(image.env.items())
            check_workdir(image.workdir)
        return planned

    def _surroundings(self, definition: pb.Image, *, force: bool) -> BuildInput:
        state = self._state
        mount_id = definition.context_mount_id
        mounted = state.local_files.get(mount_id).files if mount_id else ()
        hidden = state.secrets.variables(definition.secret_ids)
        check_environment([*hidden.items(), *definition.build_args.items()])
        named = {base.docker_tag: base.image_id for base in definition.base_images}
        return BuildInput(
            bases=Bases(state, named, Wanted(self._login(definition), force)),
            with_project=self._with_project,
            context=BuildContext.of(mounted, definition.context_files),
            build_args=dict(definition.build_args),
            secrets=hidden,
            secrets_digest=self._digest(hidden),
            search_path=state.info.search_path,
            packages=shows_packages(state.engine),
            network=has_network(state.info),
        )

    def _login(self, definition: pb.Image) -> "Login | None":
        config = definition.image_registry_config
        if not config.secret_id:
            return None
        return login_of(
            config.registry_auth_type, self._state.secrets.variables([config.secret_id])
        )

    def _digest(self, hidden: Mapping[str, str]) -> str:
        text = json.dumps(sorted(hidden.items())).encode("utf-8", "surrogatepass")
        return hmac.new(self._secrets_key, text, hashlib.sha256).hexdigest() if hidden else ""

    def _with_project(self, image: ImageRecord) -> ImageRecord:
        info = self._state.info
        if Capability.PROJECT not in info.capabilities:
            why = info.details.get("no project", "it has no files of this machine")
            raise unimplemented(f"project: the engine {info.name!r} cannot show it here: {why}")
        return replace(image, project=True, workdir=image.workdir or info.project)


def _offset(entry_id: str) -> int:
    if entry_id and not (entry_id.isascii() and entry_id.isdigit() and len(entry_id) < 19):
        raise invalid(f"{entry_id!r} is not an entry id of this server")
    return int(entry_id or 0)


_STDOUT = common_pb2.FILE_DESCRIPTOR_STDOUT
_METADATA = pb.ImageMetadata(image_builder_version=IMAGE_BUILDER_VERSION)
_FAILURE = common_pb2.GenericResult.GENERIC_STATUS_FAILURE
_READY = common_pb2.GenericResult(status=common_pb2.GenericResult.GENERIC_STATUS_SUCCESS)


def _response(image: ImageRecord | Build) -> pb.ImageGetOrCreateResponse:
    if isinstance(image, Build):
        return pb.ImageGetOrCreateResponse(image_id=image.id)
    return pb.ImageGetOrCreateResponse(image_id=image.id, result=_READY, metadata=_METADATA)
