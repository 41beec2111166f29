"""What an engine keeps of its sandboxes, by name."""

from dataclasses import dataclass
from typing import ClassVar, TypeVar

from pytest_sandbox.engine import InvalidSpec, UnknownImage

from .disk import Snapshot


class Image:
    """Something that is kept."""

    #: What it is an image of.
    what: ClassVar[str]


@dataclass(frozen=True)
class FilesystemImage(Image):
    """All files of a sandbox, without what is mounted."""

    what = "a filesystem"
    snapshot: Snapshot


@dataclass(frozen=True)
class DirectoryImage(Image):
    """A directory with all that is below it."""

    what = "a directory"
    snapshot: Snapshot


class _Host(Image):
    """What sandboxes start with that are not made from an image."""

    what = "a filesystem"


T = TypeVar("T", bound=Image)


class Images:
    """Names for what was kept, made up as it comes."""

    def __init__(self) -> None:
        self._images: dict[str, Image] = {}
        self._count = 0

    def keep(self, image: Image) -> str:
        """Keep something; the name to get it by."""
        self._count += 1
        name = f"image-{self._count}"
        self._images[name] = image
        return name

    def get(self, name: str, kind: type[T]) -> T:
        """What has a name.

        Raises:
            UnknownImage: there is nothing of that name, or not any more.
            InvalidSpec: it is of another kind.
        """
        image = _Host() if name == "host" else self._images.get(name)
        if image is None:
            raise UnknownImage(f"there is no image {name!r}, or it was forgotten")
        if not isinstance(image, kind):
            raise InvalidSpec(f"{name!r} is an image of {image.what}, not of {kind.what}")
        return image

    def forget(self, name: str) -> None:
        """Let go of something; a name that is not known is fine."""
        self._images.pop(name, None)

    def __len__(self) -> int:
        return len(self._images)
