"""Images: a definition of nothing but a Debian or Python base is the engine's `Host` image.

A definition is a list of Dockerfile lines. Accepted are the base, lines that only set properties
(`ENV`, `WORKDIR`, `CMD`, `ENTRYPOINT`), the lines with which Modal's `Image.debian_slim` prepares a
base, which do nothing here, and one label that asks for the project. Every line that would change
files is refused by name.
"""

import json
import os
import re
import shlex
from collections.abc import AsyncIterator
from dataclasses import replace

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from grpclib import GRPCError

from pytest_sandbox._proto import common_pb2
from pytest_sandbox._proto import images_pb2 as pb
from pytest_sandbox.engine import Capability

from ..model.images import ImageRecord
from ..model.state import IMAGE_BUILDER_VERSION, State
from ..rpc.call import ServedCall
from ..rpc.errors import invalid, unimplemented
from ..rpc.handlers import once

_MACHINES = {"x86_64": pb.ARCH_X86_64, "aarch64": pb.ARCH_AARCH64}
_BASE = re.compile(
    r"(?:docker\.io/)?(?:library/)?(?:debian|python)(?::(?!.*(?:alpine|windows))[\w.-]+)?"
)
#: Asks for the project under test, at its own path, as the working directory.
_PROJECT = "LABEL pytest-sandbox.project=true"
#: What `Image.debian_slim` of Modal's clients adds after FROM, since builder version 2025.06.
_DEBIAN_SLIM = frozenset(
    {
        "RUN apt-get update",
        "RUN apt-get install -y gcc gfortran build-essential",
        "RUN pip install --upgrade pip wheel uv",
        "RUN echo 'debconf debconf/frontend select Noninteractive' | debconf-set-selections",
    }
)
#: Fields of a definition that change files or the build, with the arguments that set them.
_REFUSED = {
    "context_files": "files in the build context",
    "secret_ids": "secrets",
    "build_function_def": "run_function",
    "build_function": "run_function",
    "context_mount_id": "copying local files (add_local_*, copy=True, add_python)",
    "gpu_config": "gpu",
    "build_args": "build_args",
    "volume_mounts": "volumes",
}


class ImageServicer:
    """The image RPCs."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def ImageGetOrCreate(
        self, request: pb.ImageGetOrCreateRequest, call: ServedCall
    ) -> pb.ImageGetOrCreateResponse:
        """An image by its definition; there is nothing to build, so it is ready at once."""
        if request.existing_image_id:
            image = self._state.images.get(request.existing_image_id)
            return _response(image)
        key = request.image.SerializeToString(deterministic=True)
        built = self._state.images.built(key)
        if built is None:
            built = self._build(request.image)
            self._state.images.add(key, built)
        return _response(built)

    @once
    async def ImageDelete(self, request: pb.ImageDeleteRequest, call: ServedCall) -> Empty:
        """Delete a snapshot of files; sandboxes that were created from it stay."""
        self._state.images.get(request.image_id)  # which says why it does not exist
        await self._state.images.forget(request.image_id)
        return Empty()

    async def ImageJoinStreaming(
        self, request: pb.ImageJoinStreamingRequest, call: ServedCall
    ) -> AsyncIterator[pb.ImageJoinStreamingResponse]:
        """The progress of a build, which has ended."""
        image = _response(self._state.images.get(request.image_id))
        yield pb.ImageJoinStreamingResponse(result=image.result, metadata=image.metadata, eof=True)

    async def ImageFromId(
        self, request: pb.ImageFromIdRequest, call: ServedCall
    ) -> pb.ImageFromIdResponse:
        """An image by id."""
        image = self._state.images.get(request.image_id)
        return pb.ImageFromIdResponse(image_id=image.id, metadata=_METADATA)

    def _build(self, definition: pb.Image) -> ImageRecord:
        for name, argument in _REFUSED.items():
            value = getattr(definition, name)
            # Clients send empty messages for arguments that were not given.
            if value.ByteSize() if isinstance(value, Message) else value:
                raise _refusal(argument)
        if definition.image_registry_config.secret_id:
            raise _refusal("credentials of a registry")
        if definition.arch not in pb.Arch.values():
            raise invalid(f"arch cannot be {definition.arch}")
        if definition.arch not in (pb.ARCH_UNSPECIFIED, _MACHINES.get(os.uname().machine)):
            raise _refusal(f"arch {pb.Arch.Name(definition.arch)}")
        return self._apply(definition)

    def _apply(self, definition: pb.Image) -> ImageRecord:
        bases = {base.docker_tag: base.image_id for base in definition.base_images}
        image: ImageRecord | None = None
        for line in definition.dockerfile_commands:
            verb, _, rest = line.strip().partition(" ")
            if verb.upper() == "FROM":
                image = self._base(rest.strip(), bases)
            elif image is None:
                raise invalid(f"an image begins with FROM, not with {line!r}")
            elif line.strip() == _PROJECT:
                image = self._with_project(image)
            else:
                image = _describe(image, line.strip(), verb.upper(), rest.strip())
        if image is None:
            raise invalid("an image needs at least one line: FROM")
        return replace(image, id=self._state.ids.new("im"))

    def _with_project(self, image: ImageRecord) -> ImageRecord:
        info = self._state.info
        if Capability.PROJECT not in info.capabilities:
            why = info.details.get("no project", "it has no files of this machine")
            raise unimplemented(f"project: the engine {info.name!r} cannot show it here: {why}")
        return replace(image, project=True, workdir=image.workdir or info.project)

    def _base(self, tag: str, bases: dict[str, str]) -> ImageRecord:
        if tag in bases:
            return self._state.images.get(bases[tag])
        if not _BASE.fullmatch(tag):
            raise _refusal(f"FROM {tag}")
        return ImageRecord(id="")


def _describe(image: ImageRecord, line: str, verb: str, rest: str) -> ImageRecord:
    """The image after one line of its definition."""
    if line in _DEBIAN_SLIM or not line or line.startswith("#"):
        return image
    try:
        if verb == "ENV":
            return replace(image, env={**image.env, **_variables(rest)})
        if verb == "WORKDIR":
            (workdir,) = shlex.split(rest)
            return replace(image, workdir=workdir)
        if verb == "CMD":
            return replace(image, cmd=_words(rest))
        if verb == "ENTRYPOINT":
            return replace(image, entrypoint=_words(rest))
    except ValueError:
        raise invalid(f"the line {line!r} of an image is not valid") from None
    raise _refusal(line)


def _variables(text: str) -> dict[str, str]:
    """The variables of an ENV line: `NAME=value NAME='other value'`."""
    pairs = [word.partition("=") for word in shlex.split(text)]
    if not all(separator and name for name, separator, _ in pairs):
        raise ValueError(text)
    return {name: value for name, _, value in pairs}


def _words(text: str) -> tuple[str, ...]:
    """The words of a CMD or ENTRYPOINT line, a JSON list."""
    words = json.loads(text)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError(text)
    return tuple(words)


def _refusal(what: str) -> GRPCError:
    return unimplemented(
        f"an image with {what!r} is not implemented by pytest-sandbox: every image is a view of "
        "this machine for now, so only Debian and Python bases without further steps are "
        "accepted; install what the test needs on this machine, or in the sandbox itself"
    )


_METADATA = pb.ImageMetadata(image_builder_version=IMAGE_BUILDER_VERSION)


def _response(image: ImageRecord) -> pb.ImageGetOrCreateResponse:
    return pb.ImageGetOrCreateResponse(
        image_id=image.id,
        result=common_pb2.GenericResult(status=common_pb2.GenericResult.GENERIC_STATUS_SUCCESS),
        metadata=_METADATA,
    )
