"""What can go wrong with an image of a registry or an archive."""

#: Characters of a name or a text of others that a message shows.
_SHOWN = 200


class ImageError(Exception):
    """An image cannot be had; the message names it, and what would help."""


class InvalidReference(ImageError, ValueError):
    """A text is not the name of an image."""


class ImageNotFound(ImageError):
    """The registry or the archive does not have the image."""


class ImageDenied(ImageError):
    """The registry does not give the image to this user."""


class RegistryUnreachable(ImageError):
    """The registry cannot be reached, or does not answer as it should."""


class DamagedImage(ImageError):
    """The image is not what its name, its digests or the formats say."""


class ImageTooLarge(ImageError):
    """The image exceeds a limit."""


def shown(text: str) -> str:
    """A text of others for a message: one printable line of limited length."""
    line = "".join(char if char.isprintable() else "?" for char in text[: _SHOWN + 1])
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."
