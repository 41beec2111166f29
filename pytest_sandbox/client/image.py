"""Images: the files that a sandbox starts with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_sandbox._proto import images_pb2 as pb
from pytest_sandbox._proto.extensions_grpc import ExtensionsStub
from pytest_sandbox._proto.extensions_pb2 import ImageForgetRequest
from pytest_sandbox._shared.type_names import type_name

from .exceptions import InvalidError, UnimplementedError
from .images.building import build
from .images.steps import ImageMethods

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .base_client import BaseClient
    from .images.local_tree import LocalTree
    from .secrets.secret import Secret
    from .transport.calls import Calls

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: A definition that the server maps to the view of this machine.
_HOST = ("FROM debian:bookworm-slim",)
#: One that it maps to the same view with the project.
_HOST_WITH_PROJECT = (*_HOST, "LABEL pytest-sandbox.project=true")


class Image(ImageMethods):
    """The files that a sandbox starts with: a view of this machine, a snapshot, or steps on one.

    Args:
        image_id: of the image; empty for the view of this machine.
        described: how the image was obtained, for `repr`.
        project: whether the view of this machine includes the project.
        layer: the last step; `None` for an image that needs none.
        added: local files that sandboxes get besides.
    """

    def __init__(
        self,
        image_id: str,
        described: str,
        *,
        project: bool = False,
        layer: ImageLayer | None = None,
        added: tuple[LocalTree, ...] = (),
    ) -> None:
        self._image_id = image_id
        self._described = described
        self._project = project
        self.layer = layer
        self.added = added

    @staticmethod
    def host(*, project: bool = False) -> Image:
        """The curated view of this machine, with its Python; what a sandbox changes stays in it.

        Args:
            project: whether it includes the project under test: pytest's rootdir, at its own path,
                which is the working directory then. What git ignores, and files that hold secrets
                by convention, are left out. The engine must be the local one.
        """
        if not isinstance(project, bool):
            raise InvalidError(f"project={project!r} is neither True nor False")
        return Image("", f"Image.host({'project=True' if project else ''})", project=project)

    @staticmethod
    def debian_slim(python_version: str | None = None, force_build: bool = False) -> Image:
        """Modal's default image, for which the view of this machine stands in.

        Args:
            python_version: refused: the Python is that of this machine.
            force_build: refused: nothing is built.
        """
        if python_version is not None:
            _refused(f"Image.debian_slim(python_version={python_version!r})")
        if force_build:
            _refused("Image.debian_slim(force_build=True)")
        return Image("", "Image.debian_slim()")

    @staticmethod
    def from_id(image_id: str) -> Image:
        """An image that the server has.

        Args:
            image_id: begins with `im-`.

        Raises:
            InvalidError: it does not.
        """
        if not isinstance(image_id, str) or not image_id.startswith("im-"):
            raise InvalidError(f"{image_id!r} is not the id of an image: these begin with 'im-'")
        return Image(image_id, f"Image.from_id({image_id!r})")

    @staticmethod
    def from_registry(*args: Any, **kwargs: Any) -> NoReturn:
        """Refused, as it is not implemented yet."""
        _refused("Image.from_registry()")

    @staticmethod
    def from_dockerfile(*args: Any, **kwargs: Any) -> NoReturn:
        """Refused, as it is not implemented yet."""
        _refused("Image.from_dockerfile()")

    def _on_this(self, lines: Sequence[str], **layer: Any) -> Image:
        if not lines:
            return self
        if self.added:
            raise InvalidError(
                f"a step cannot follow on {self.added[-1]!r}: add local files last, or with "
                "copy=True, which makes them a step"
            )
        return Image("", f"{self} + {lines[0]!r}", layer=ImageLayer(self, tuple(lines), **layer))

    def _with_files(self, tree: LocalTree, *, copy: bool) -> Image:
        described = f"{self} + {tree!r}"
        if copy:
            self._on_this(("COPY",))  # which may refuse
            return Image("", described, layer=ImageLayer(self, ("COPY . /",), files=tree))
        return Image(
            self._image_id,
            described,
            project=self._project,
            layer=self.layer,
            added=(*self.added, tree),
        )

    @property
    def is_host(self) -> bool:
        """Whether it is the view of this machine, which every server has and which has no id."""
        return not self._image_id and self.layer is None

    @property
    def has_project(self) -> bool:
        """Whether it is the view of this machine with the project, `Image.host(project=True)`."""
        return self._project

    @property
    def object_id(self) -> str:
        """Its id, by which `from_id` finds it in every process that uses the same server.

        Raises:
            InvalidError: it is the view of this machine, or has steps, and so has none.
        """
        if self.is_host:
            raise InvalidError(f"{self!r} has no id: it is the same on every server")
        if self.layer is not None:
            raise InvalidError(f"{self!r} has no id here: the server builds it for each sandbox")
        return self._image_id

    def __repr__(self) -> str:
        return self._described


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


async def image_id(image: Image, client: BaseClient) -> str:
    """The id by which a client's server knows what a caller gave as an image.

    Raises:
        InvalidError: it is something else.
    """
    if not isinstance(image, Image):
        by_id = isinstance(image, str) and image.startswith("im-")
        meant = f"Image.from_id({image!r})" if by_id else "Image.host() or that of a snapshot"
        raise InvalidError(f"image={image!r} is {type_name(image)}, no Image; give {meant}")
    if image.is_host:
        if image.has_project:
            return await client.ids.get("host image with the project", _host_with_project)
        return await client.ids.get("host image", _host_image)
    if image.layer is not None:
        return await _layer_id(image.layer, client)
    return image.object_id


async def mount_ids(image: Image, client: BaseClient) -> list[str]:
    """The ids of the local files that sandboxes of an image get besides."""
    return [await tree.upload(client) for tree in image.added]


async def _layer_id(layer: ImageLayer, client: BaseClient) -> str:
    """The id of an image with steps, which is there when this returns.

    Steps that need nothing but their lines are asked for together, in one call.
    """
    base, lines = layer.base, list(layer.lines)
    while layer.plain and (below := base.layer) is not None and below.plain:
        base, lines = below.base, [*below.lines, *lines]
    definition = pb.Image(
        dockerfile_commands=["FROM base", *lines],
        base_images=[pb.BaseImage(docker_tag="base", image_id=await image_id(base, client))],
        secret_ids=[await secret.reference.id(client) for secret in layer.secrets],
        context_mount_id=await layer.files.upload(client) if layer.files is not None else "",
        context_files=[
            pb.ImageContextFile(filename=name, data=text.encode())
            for name, text in layer.context_files.items()
        ],
        build_args=layer.build_args,
    )
    return await build(client, definition, force=layer.force_build)


async def _host_image(calls: Calls) -> str:
    return await _built(calls, _HOST)


async def _host_with_project(calls: Calls) -> str:
    return await _built(calls, _HOST_WITH_PROJECT)


async def _built(calls: Calls, lines: tuple[str, ...]) -> str:
    request = pb.ImageGetOrCreateRequest(image=pb.Image(dockerfile_commands=lines))
    response = await calls.control(lambda link: link.control.ImageGetOrCreate, request)
    return response.image_id


async def forget_image(image: Image, client: BaseClient) -> None:
    """Delete a snapshot of files; it need not exist any more.

    Raises:
        InvalidError: it is not a snapshot.
    """
    request = ImageForgetRequest(image_id=await image_id(image, client))
    await client.calls.control(lambda link: ExtensionsStub(link.channel).ImageForget, request)


def _refused(what: str) -> NoReturn:
    raise UnimplementedError(
        f"{what} is not implemented yet in pytest-sandbox; sandboxes start with Image.host(), the "
        "view of this machine, and install what else they need"
    )
