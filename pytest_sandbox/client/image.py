"""Images: what a sandbox's file system starts as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from pytest_sandbox._proto import images_pb2 as pb

from .exceptions import InvalidError, UnimplementedError

if TYPE_CHECKING:
    from .client import Client

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: A definition that the server maps to the view of this machine.
_HOST = pb.Image(dockerfile_commands=["FROM debian:bookworm-slim"])


class Image:
    """What a sandbox's files are at first: a view of this machine, or what another one kept.

    Args:
        image_id: of the image; empty for the view of this machine.
        described: how it was got, for people.
    """

    def __init__(self, image_id: str, described: str) -> None:
        self._image_id = image_id
        self._described = described

    @staticmethod
    def host() -> Image:
        """The curated view of this machine, with its Python; what a sandbox changes stays in it."""
        return Image("", "Image.host()")

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
        """Refused, as it is not built yet."""
        _refused("Image.from_registry()")

    @staticmethod
    def from_dockerfile(*args: Any, **kwargs: Any) -> NoReturn:
        """Refused, as it is not built yet."""
        _refused("Image.from_dockerfile()")

    def pip_install(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused, as it is not built yet."""
        _refused("Image.pip_install()")

    def apt_install(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused, as it is not built yet."""
        _refused("Image.apt_install()")

    def run_commands(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused, as it is not built yet."""
        _refused("Image.run_commands()")

    @property
    def object_id(self) -> str:
        """Its id, by which `from_id` finds it in every process that uses the same server.

        Raises:
            InvalidError: it has none, as it is one that every server has.
        """
        if not self._image_id:
            raise InvalidError(f"{self!r} has no id: it is the same on every server")
        return self._image_id

    async def _id(self, client: Client) -> str:
        """The id by which a client's server knows it."""
        if self._image_id:
            return self._image_id
        return await client._once("host image", self._build)

    async def _build(self, client: Client) -> str:
        request = pb.ImageGetOrCreateRequest(image=_HOST)
        response = await client._calls.control(lambda link: link.control.ImageGetOrCreate, request)
        return response.image_id

    def __repr__(self) -> str:
        return self._described


async def image_id(image: Image, client: Client) -> str:
    """The id by which a client's server knows what a caller gave as an image.

    Raises:
        InvalidError: it is something else.
    """
    if not isinstance(image, Image):
        by_id = isinstance(image, str) and image.startswith("im-")
        meant = f"Image.from_id({image!r})" if by_id else "Image.host() or that of a snapshot"
        raise InvalidError(f"image={image!r} is a {type(image).__name__}, no Image; give {meant}")
    return await image._id(client)


def _refused(what: str) -> NoReturn:
    raise UnimplementedError(
        f"{what} is not built yet in pytest-sandbox; sandboxes start with Image.host(), the "
        "view of this machine, and install what else they need"
    )
