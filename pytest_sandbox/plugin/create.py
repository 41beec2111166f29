"""From the keywords that the marker and templates take to a call of the client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .options import IMAGES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_sandbox.client import Client, Image, Sandbox
    from pytest_sandbox.client.transport.dual import Dual

    #: What creates a sandbox, and what to call it with.
    Creation = tuple[Dual[..., Sandbox], tuple[Any, ...], dict[str, Any]]


def creation(client: Client, args: tuple[str, ...], spec: Mapping[str, Any]) -> Creation:
    """What creates such a sandbox, and what to call it with.

    Args:
        client: where.
        args: of the main process.
        spec: keywords of `Sandbox.create`, where `image` may be the name of an image, and a
            snapshot with processes.

    Raises:
        InvalidError: there is no such image; or a snapshot with processes, which has all that it
            can have, was to have something else.
    """
    from pytest_sandbox.client import Sandbox, SandboxSnapshot

    image = spec["image"]
    if isinstance(image, SandboxSnapshot):
        name = _only_name(args, spec)
        return Sandbox._experimental_from_snapshot, (image,), {"name": name, "client": client}
    if isinstance(image, str):
        image = _named(image)
    return Sandbox.create, args, {"client": client, **spec, "image": image}


def _named(name: str) -> Image:
    from pytest_sandbox.client import Image
    from pytest_sandbox.client.exceptions import InvalidError

    if name not in IMAGES:
        raise InvalidError(f"image={name!r} is not the name of an image; there is 'host'")
    return Image.host()


def _only_name(args: tuple[str, ...], spec: Mapping[str, Any]) -> str | None:
    from pytest_sandbox.client.exceptions import InvalidError

    given = [f"the command {args!r}"] if args else []
    given += [f"{key}={value!r}" for key, value in spec.items() if key not in ("image", "name")]
    if given:
        raise InvalidError(
            f"{', '.join(given)}: a snapshot with processes is resumed as it was; leave that out"
        )
    name: str | None = spec.get("name")
    return name
