"""Images: the files that a sandbox starts with."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from pytest_sandbox._proto import images_pb2 as pb
from pytest_sandbox._proto.extensions_pb2 import ImageForgetRequest
from pytest_sandbox._shared.type_names import type_name

from .default_client import default_client
from .exceptions import InvalidError
from .handles import optional_address, optional_client_at
from .images.added_python import AddedPython
from .images.from_files import FileInstallMethods
from .images.image_layer import Archive, ImageLayer, check_secret, registry_layer
from .images.resolving import resolved
from .refusals import refused
from .secrets.secret import Secret, check_secrets
from .transport.dual import dual, immediate
from .validation import refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from .apps.app import App
    from .base_client import BaseClient
    from .images.local_tree import LocalTree

__tracebackhide__ = True  # a failing test shows the caller's line, not these

P = ParamSpec("P")

#: The version of a Python, as programs ask for it.
_VERSION = re.compile(r"3\.\d{1,2}(\.\d{1,2})?")
_AMAZON = (
    "use Image.from_registry() with a secret: REGISTRY_USERNAME=AWS, and as REGISTRY_PASSWORD what "
    "`aws ecr get-login-password` prints"
)


class Image(FileInstallMethods):
    """The files that a sandbox starts with: a view of this machine, a snapshot, or steps on one.

    Args:
        image_id: of the image; empty for the view of this machine.
        described: how the image was obtained, for `repr`.
        project: whether the view of this machine includes the project.
        layer: the last step; `None` for an image that needs none.
        added: local files that sandboxes get besides.
        client: of the server that has it; `None` for that of whoever uses it.
        python: the version of Python of Modal's default image, for which the view of this machine
            stands in where there is one.
    """

    def __init__(
        self,
        image_id: str,
        described: str,
        *,
        project: bool = False,
        layer: ImageLayer[Image] | None = None,
        added: tuple[LocalTree, ...] = (),
        client: BaseClient | None = None,
        python: str = "",
    ) -> None:
        self._client = client
        self.python = python
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

        In Modal's cloud it is Debian with a Python.

        Args:
            python_version: has an effect in Modal's cloud only, where this machine's is the
                default: elsewhere the Python is that of this machine, as it is for Modal's own
                clients here.
            force_build: has no effect: nothing is built.

        Raises:
            InvalidError: that is no version.
        """
        if python_version is None:
            return Image("", "Image.debian_slim()", python=_own_python())
        if not isinstance(python_version, str) or not _VERSION.fullmatch(python_version):
            raise InvalidError(f"python_version={python_version!r} is no version, such as '3.12'")
        return Image("", f"Image.debian_slim({python_version!r})", python=python_version)

    @staticmethod
    @immediate
    def from_id(image_id: str, client: BaseClient | None = None) -> Image:
        """An image that the server has. It is looked up when it is used.

        Args:
            image_id: begins with `im-`.
            client: of the server that has it; that of the sandbox it is used for if not given.

        Raises:
            InvalidError: it does not.
        """
        if not isinstance(image_id, str) or not image_id.startswith("im-"):
            raise InvalidError(f"{image_id!r} is not the id of an image: these begin with 'im-'")
        return Image(image_id, f"Image.from_id({image_id!r})", client=client)

    @staticmethod
    def from_dockerfile(
        path: str | os.PathLike[str],
        *,
        force_build: bool = False,
        context_dir: str | os.PathLike[str] | None = None,
        ignore: Sequence[str] | Callable[[Path], bool] | None = None,
        build_args: Mapping[str, str] | None = None,
        registry_secret: Secret | None = None,
        secrets: Collection[Secret] | None = None,
        env: dict[str, str | None] | None = None,
        gpu: str | None = None,
        add_python: str | None = None,
        target: str | None = None,
    ) -> Image:
        """An image that a Dockerfile describes, which is read now.

        Args:
            path: of the Dockerfile.
            force_build: do all steps again although the server has them.
            context_dir: where COPY takes files from; the current directory if not given. A symbolic
                link that a line names is followed, and refused if it leads out of it; others are
                copied as links.
            ignore: which files it does not take: patterns, or a function of the relative path; if
                not given, `<path>.dockerignore`, or the `.dockerignore` beside the Dockerfile or
                in `context_dir`.
            build_args: for ARG.
            registry_secret: the login for private images, as for `from_registry`.
            secrets: variables of the steps, and files for RUN --mount=type=secret; none of them is
                in the image.
            env: further variables of the steps.
            gpu: refused.
            add_python: as for `from_registry`.
            target: the name or number of the stage that is wanted; the last one if not given.

        Raises:
            InvalidError: it is no Dockerfile.
            OSError: it cannot be read.
        """
        from pytest_sandbox._shared.dockerfile.source import directive_for

        from .images.context import context_files_of

        refuse(gpu=gpu)
        file = Path(path).expanduser()
        lines = file.read_text("utf-8").split("\n")
        tree = context_files_of(lines, context_dir, ignore, file)
        given = (*check_secrets(secrets), *([Secret.from_dict(env)] if env else []))
        layer = ImageLayer[Image](
            None,
            tuple([directive_for(target), *lines] if target is not None else lines),
            secrets=given,
            files=tree,
            build_args=dict(build_args or {}),
            force_build=force_build,
            registry_secret=check_secret("from_dockerfile", registry_secret),
        )
        image = Image("", f"Image.from_dockerfile({os.fspath(path)!r})", layer=layer)
        if add_python is None:
            return image
        python = AddedPython(add_python)
        return image._on_this(python.lines, files=python)

    @staticmethod
    def from_registry(
        tag: str,
        secret: Secret | None = None,
        *,
        setup_dockerfile_commands: list[str] = [],  # noqa: B006 - Modal's default
        force_build: bool = False,
        add_python: str | None = None,
    ) -> Image:
        """An image of a registry, such as Docker Hub: of another distribution, or your own.

        Debian and Python images on Debian are the view of this machine, unless
        `sandbox_image_aliases` says otherwise; see [Images of other
        distributions](../images.md).

        Args:
            tag: the name, as for `docker pull`: `"alpine:3.21"`, `"ghcr.io/a/b@sha256:..."`.
            secret: for private images: REGISTRY_USERNAME and REGISTRY_PASSWORD, or
                SERVICE_ACCOUNT_JSON for Google's registries. Without it, the logins of Docker and
                podman are used.
            setup_dockerfile_commands: lines of a Dockerfile that come next.
            force_build: ask the registry where the tag leads now.
            add_python: a version of Python, such as `"3.12"`, to add at `/usr/local`. `uv python
                install 3.12` puts it on this machine; it needs the C library of GNU.

        Raises:
            InvalidError: the name cannot be one.
        """
        given = (tag, secret, setup_dockerfile_commands, force_build, add_python)
        layer = registry_layer("from_registry", *given)
        return Image("", f"Image.from_registry({tag!r})", layer=layer)

    @staticmethod
    def from_gcp_artifact_registry(
        tag: str,
        secret: Secret | None = None,
        *,
        setup_dockerfile_commands: list[str] = [],  # noqa: B006 - Modal's default
        force_build: bool = False,
        add_python: str | None = None,
    ) -> Image:
        """An image of a registry of Google; the rest is as for `from_registry`.

        Args:
            tag: the name.
            secret: with SERVICE_ACCOUNT_JSON, the key of a service account.
            setup_dockerfile_commands: lines of a Dockerfile that come next.
            force_build: ask the registry where the tag leads now.
            add_python: a version of Python to add.
        """
        given = (tag, secret, setup_dockerfile_commands, force_build, add_python)
        kind = pb.REGISTRY_AUTH_TYPE_GCP
        layer = registry_layer("from_gcp_artifact_registry", *given, kind=kind)
        return Image("", f"Image.from_gcp_artifact_registry({tag!r})", layer=layer)

    @staticmethod
    def from_scratch(force_build: bool = False) -> Image:
        """The image without any files, `FROM scratch` of Dockerfiles.

        It is for `mount_image`, and for local files: no step can run a command in it.

        Args:
            force_build: of no effect.
        """
        layer = ImageLayer[Image](None, ("FROM scratch",), force_build=force_build)
        return Image("", "Image.from_scratch()", layer=layer)

    @staticmethod
    def from_oci_archive(path: str | os.PathLike[str], *, tag: str | None = None) -> Image:
        """An image in the layout of OCI, such as `skopeo`, `buildah` and `podman save` write.

        Args:
            path: of the folder, or of a tar, which may be compressed with gzip.
            tag: which image, if there are several.
        """
        layer = ImageLayer[Image](None, ("FROM base",), archive=Archive.at("oci", path, tag))
        return Image("", f"Image.from_oci_archive({os.fspath(path)!r})", layer=layer)

    @staticmethod
    def from_docker_archive(path: str | os.PathLike[str], *, tag: str | None = None) -> Image:
        """An image that `docker save` has written.

        Args:
            path: of the tar, which may be compressed with gzip.
            tag: which image, if there are several: `"name:tag"`.
        """
        layer = ImageLayer[Image](None, ("FROM base",), archive=Archive.at("docker", path, tag))
        return Image("", f"Image.from_docker_archive({os.fspath(path)!r})", layer=layer)

    from_aws_ecr = refused("Image.from_aws_ecr", _AMAZON)
    from_name = refused("Image.from_name", "images have ids only; use Image.from_id()")
    micromamba = refused("Image.micromamba", "begin with Image.host(), and install with steps")
    publish = refused("Image.publish", "images have ids only; pass on its object_id")
    get_dashboard_url = refused("Image.get_dashboard_url", "there is no dashboard")

    @dual
    async def build(self, app: App | None = None) -> Image:
        """Build its steps now, not when a sandbox first needs them.

        Args:
            app: whose client builds it; the default client if not given.

        Raises:
            ImageBuildError: a step failed.
        """
        return await self.hydrate.core(app.client if app is not None else None)

    @dual
    async def hydrate(self, client: BaseClient | None = None) -> Image:
        """Look it up now, or build its steps.

        Args:
            client: asks for it; the default client if not given.

        Raises:
            ImageBuildError: a step failed.
            NotFoundError: there is no such image.
        """
        client = self._client or client or await default_client()
        known = await image_id(self, client)
        if self._image_id:
            await client.calls.control(
                lambda link: link.control.ImageFromId, pb.ImageFromIdRequest(image_id=known)
            )
        return self

    def pipe(
        self, func: Callable[Concatenate[Image, P], Image], *args: P.args, **kwargs: P.kwargs
    ) -> Image:
        """What a function makes of it, so that calls can be in one chain.

        Args:
            func: gets this image first.
            *args: its other arguments.
            **kwargs: its other arguments by keyword.
        """
        return func(self, *args, **kwargs)

    @property
    def client(self) -> BaseClient | None:
        """The client that it was found with; `None` if it is looked for where it is used."""
        return self._client

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
            client=self._client,
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

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_client": optional_address(self._client, self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update({**state, "_client": optional_client_at(state["_client"])})

    def __repr__(self) -> str:
        return self._described


async def image_id(image: Image, client: BaseClient, app_id: str = "") -> str:
    """The id by which a client's server knows what a caller gave as an image, for an app if any.

    Raises:
        InvalidError: it is something else.
    """
    if not isinstance(image, Image):
        by_id = isinstance(image, str) and image.startswith("im-")
        meant = f"Image.from_id({image!r})" if by_id else "Image.host() or that of a snapshot"
        raise InvalidError(f"image={image!r} is {type_name(image)}, no Image; give {meant}")
    return await resolved(image, client, app_id)


def _own_python() -> str:
    """The version of the Python that runs."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


async def mount_ids(image: Image, client: BaseClient, app_id: str = "") -> list[str]:
    """The ids of the local files that sandboxes of an image get besides."""
    return [await tree.upload(client, app_id) for tree in image.added]


async def forget_image(image: Image, client: BaseClient) -> None:
    """Delete a snapshot of files; it need not exist any more.

    Raises:
        InvalidError: it is not a snapshot.
    """
    request = ImageForgetRequest(image_id=await image_id(image, client))
    await client.calls.control(lambda link: link.extensions.ImageForget, request)
