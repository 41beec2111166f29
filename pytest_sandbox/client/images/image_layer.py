"""What an image is made of, besides other images: lines of a Dockerfile, or an archive."""

from __future__ import annotations

import os
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pytest_sandbox._proto.extensions_pb2 import ImageFromArchiveRequest
from pytest_sandbox._proto.images_pb2 import REGISTRY_AUTH_TYPE_UNSPECIFIED
from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox._shared.type_names import type_name

from ..exceptions import InvalidError
from ..secrets.secret import Secret
from .added_python import AddedPython

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_sandbox._proto.images_pb2 import RegistryAuthType

    from ..base_client import BaseClient
    from .local_tree import LocalTree

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: The image, whose module needs this one.
T = TypeVar("T")


@dataclass(frozen=True)
class Archive:
    """An archive on this machine.

    Attributes:
        kind: `oci` or `docker`.
        path: absolute.
        tag: which image, if there are several; empty for the only one.
    """

    kind: str
    path: str
    tag: str = ""

    @classmethod
    def at(cls, kind: str, path: str | os.PathLike[str], tag: str | None) -> Archive:
        """The archive at a path.

        Raises:
            InvalidError: the tag is no text, or the path is empty.
        """
        if tag is not None and not isinstance(tag, str):
            raise InvalidError(f"tag={tag!r} is {type_name(tag)}, not a text")
        if not os.fspath(path):
            raise InvalidError("the path of an archive is empty")
        return cls(kind, str(Path(path).expanduser().absolute()), tag or "")

    async def image_id(self, client: BaseClient) -> str:
        """The id of its image, which the server reads first."""
        request = ImageFromArchiveRequest(kind=self.kind, path=self.path, tag=self.tag)
        response = await client.calls.control(
            lambda link: link.extensions.ImageFromArchive,
            request,
            timeout=None,  # gigabytes, maybe
        )
        return response.image_id


@dataclass(frozen=True, eq=False)
class ImageLayer(Generic[T]):
    """Lines of a Dockerfile on an image.

    Attributes:
        base: the image; `None` if the lines say it, or an archive is it.
        lines: without FROM, unless they say it.
        secrets: variables of the steps.
        files: the context of COPY.
        context_files: further files for it, by their paths there; text or bytes of each.
        build_args: for ARG.
        force_build: make it again although the server has it.
        registry_secret: the login for private images.
        registry_kind: of that login.
        archive: what it begins with.
    """

    base: T | None
    lines: tuple[str, ...]
    secrets: tuple[Secret, ...] = ()
    files: LocalTree | AddedPython | None = None
    context_files: Mapping[str, str] = field(default_factory=dict)
    build_args: Mapping[str, str] = field(default_factory=dict)
    force_build: bool = False
    registry_secret: Secret | None = None
    registry_kind: RegistryAuthType = REGISTRY_AUTH_TYPE_UNSPECIFIED
    archive: Archive | None = None

    @property
    def plain(self) -> bool:
        """Whether its lines may be in one definition with others."""
        others = (self.secrets, self.files, self.context_files, self.build_args, self.force_build)
        return not any((*others, self.registry_secret, self.archive))


def registry_layer(
    call: str,
    tag: str,
    secret: Secret | None,
    setup: Sequence[str],
    force_build: bool,
    add_python: str | None,
    *,
    kind: RegistryAuthType = REGISTRY_AUTH_TYPE_UNSPECIFIED,
) -> ImageLayer[Any]:
    """An image of a registry, as `Image.from_registry` takes it.

    Args:
        call: for messages.
        tag: its name.
        secret: with a login.
        setup: lines that come next.
        force_build: ask the registry where the tag leads now.
        add_python: a version of Python to add.
        kind: of the login.

    Raises:
        InvalidError: the tag cannot be one, or what else is given.
    """
    python = AddedPython(add_python) if add_python is not None else None
    added = python.lines if python is not None else ()
    return ImageLayer(
        None,
        (_from_line(call, tag), *added, *setup),
        files=python,
        force_build=force_build,
        registry_secret=check_secret(call, secret),
        registry_kind=kind,
    )


def _from_line(call: str, tag: str) -> str:
    if not isinstance(tag, str):
        raise InvalidError(f"{call}: {tag!r} is {type_name(tag)}, not the name of an image")
    if not tag or any(char.isspace() or char in "$\\\"'" for char in tag):
        raise InvalidError(f"{call}: {tag!r} is not the name of an image, such as 'alpine:3.21'")
    return f"FROM {tag}"


def check_secret(call: str, secret: object) -> Secret | None:
    """The secret with the login for a registry.

    Raises:
        InvalidError: it is something else.
    """
    if secret is not None and not isinstance(secret, Secret):
        raise InvalidError(f"{call}: secret={secret!r} is {type_name(secret)}, not a Secret")
    return secret
