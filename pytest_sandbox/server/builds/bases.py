"""What FROM names: the one place that finds an image by a reference.

It is a name that the definition gives to an image of this server, `host`, for the engine's `Host`
image, an alias of it, as Debian and Python bases are, `scratch`, or the name of an image in a
registry.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_sandbox._shared.lazy_dataclass import dataclass

from ..model.images import HOST_IMAGE
from ..registries.aliases import HOST, UV
from .failures import refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model.images import ImageRecord
    from ..model.state import State
    from ..registries.registry_images import Wanted

#: What `Image.debian_slim` of Modal's clients adds after FROM, since builder version 2025.06.
_DEBIAN_SLIM = (
    "RUN apt-get update",
    "RUN apt-get install -y gcc gfortran build-essential",
    "RUN pip install --upgrade pip wheel uv",
    "RUN echo 'debconf debconf/frontend select Noninteractive' | debconf-set-selections",
)


@dataclass(frozen=True)
class Base:
    """An image to build on, or to copy from.

    Attributes:
        image: with what it says about environment, command, ...
        done: lines that do nothing if all of them follow on FROM, because the image has what they
            would make.
    """

    image: ImageRecord
    done: tuple[str, ...] = ()


class Bases:
    """Finds images by reference.

    Args:
        state: the server's.
        named: ids of images of this server, by the names that a definition has for them.
        wanted: how images of registries are wanted.
    """

    def __init__(self, state: State, named: Mapping[str, str], wanted: Wanted) -> None:
        self._state = state
        self._named = named
        self._wanted = wanted

    def is_uv(self, reference: str) -> bool:
        """Whether a reference means the image of uv, and no alias says otherwise."""
        known = reference in self._named
        return not known and self._state.registry_images.aliases.meant(reference) == UV

    async def resolve(self, reference: str) -> Base:
        """The image that a reference means, after substitution: `"debian:12"`.

        Raises:
            GRPCError: there is none, or it cannot be had.
        """
        if reference in self._named:
            image = self._state.images.get(self._named[reference])
            image.root_image()  # or it cannot be built on
            return Base(image)
        if " " in reference:
            raise refusal(f"FROM {reference}", "the name of an image has no spaces")
        registries = self._state.registry_images
        if reference == "scratch":
            return Base(await registries.empty())
        if reference == HOST:
            return Base(HOST_IMAGE)
        meant = registries.aliases.meant(reference)
        if meant in (reference, UV):
            return Base(await registries.find(reference, self._wanted))
        origin = f"{reference} = {meant}"
        if meant != HOST:
            return Base(replace(await registries.find(meant, self._wanted), origin=origin))
        return Base(replace(HOST_IMAGE, origin=origin), _DEBIAN_SLIM)
