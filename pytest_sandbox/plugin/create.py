"""From the keywords that the marker and templates take to a call of the client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_sandbox._shared.image_names import HOST, may_name_image
from pytest_sandbox._shared.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_sandbox.client import Client, Image, Sandbox, SandboxSnapshot

    from .options import Settings

__tracebackhide__ = True  # a failing test shows its own lines, not these


@dataclass(frozen=True)
class Creation:
    """A sandbox that is to be created.

    Attributes:
        args: of its main process.
        keywords: of `Sandbox.create`.
        snapshot: the snapshot with processes that it resumes; then only the keywords `name`,
            `network`, `alias` and `client` count.
        another: whether the engine is told that another such sandbox is likely to be created soon.
    """

    args: tuple[str, ...]
    keywords: Mapping[str, Any]
    snapshot: SandboxSnapshot | None = None
    another: bool = False

    def create(self) -> Sandbox:
        """Create it.

        Raises:
            Error: what `Sandbox.create` raises.
        """
        from pytest_sandbox.client import Sandbox

        if self.snapshot is not None:
            return Sandbox._experimental_from_snapshot(self.snapshot, **self.keywords)
        if self.another:
            return _client(self.keywords).extensions.create(**self.keywords)
        return Sandbox.create(*self.args, **self.keywords)

    async def create_aio(self) -> Sandbox:
        """The same, awaited."""
        from pytest_sandbox.client import Sandbox

        if self.snapshot is not None:
            return await Sandbox._experimental_from_snapshot.aio(self.snapshot, **self.keywords)
        if self.another:
            return await _client(self.keywords).extensions.create.aio(**self.keywords)
        return await Sandbox.create.aio(*self.args, **self.keywords)


def creation(
    client: Client, args: tuple[str, ...], spec: Mapping[str, Any], *, another: bool = False
) -> Creation:
    """How to create such a sandbox.

    Args:
        client: where.
        args: of the main process.
        spec: keywords of `Sandbox.create`, where `image` may be the name of an image, and a
            snapshot with processes; and `project`, whether an image that has a name is to show it.
        another: whether another such sandbox is likely to be created soon; then it has no `args`.

    Raises:
        InvalidError: there is no such image; or the image is a snapshot with processes, which
            takes no other keywords than a name, a network of sandboxes, and an alias.
    """
    from pytest_sandbox.client import SandboxSnapshot
    from pytest_sandbox.client.exceptions import InvalidError

    image = spec["image"]
    project = spec.get("project", False)
    spec = {key: value for key, value in spec.items() if key != "project"}
    if project and not isinstance(image, str):
        raise InvalidError(
            f"project=True cannot change {image!r}: a snapshot shows the project if the sandbox "
            "that it was taken of did, and so does Image.host(project=True)"
        )
    if isinstance(image, SandboxSnapshot):
        return Creation((), {**_for_copy(args, spec), "client": client}, image)
    if isinstance(image, str):
        image = _named(image, project=project)
    return Creation(args, {"client": client, **spec, "image": image}, another=another)


def _client(keywords: Mapping[str, Any]) -> Client:
    client: Client = keywords["client"]
    return client


def with_defaults(settings: Settings, spec: Mapping[str, Any], *, faked: bool) -> dict[str, Any]:
    """Keywords of a sandbox with those that the settings of the run add.

    Args:
        settings: of the run, or of the engine of a test.
        spec: as for `creation`, where the image may be missing.
        faked: whether it is in memory, where nothing of this machine shows.
    """
    complete = {"image": settings.image, **spec}
    if settings.project and not faked and isinstance(complete["image"], str):
        complete = {"project": True, **complete}
    return complete


def _named(name: str, *, project: bool) -> Image:
    from pytest_sandbox.client import Image
    from pytest_sandbox.client.exceptions import InvalidError

    if not may_name_image(name):
        raise InvalidError(
            f"image={name!r} is not the name of an image; there is 'host', and registries have "
            "others, such as 'alpine:3.21'"
        )
    if name == HOST:
        return Image.host(project=project)
    lines = ["LABEL pytest-sandbox.project=true"] if project else []
    return Image.from_registry(name, setup_dockerfile_commands=lines)


def _for_copy(args: tuple[str, ...], spec: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords that a sandbox can have which resumes processes: a name, and a network."""
    from pytest_sandbox.client import SandboxNetwork
    from pytest_sandbox.client.exceptions import InvalidError

    allowed = {"image", "name", "alias"}
    if isinstance(spec.get("network"), SandboxNetwork):
        allowed.add("network")
    given = [f"the command {args!r}"] if args else []
    given += [f"{key}={value!r}" for key, value in spec.items() if key not in allowed]
    if given:
        raise InvalidError(
            f"{', '.join(given)}: a snapshot with processes is resumed as it was; leave that out"
        )
    kept = {key: value for key, value in spec.items() if key != "image"}
    return {"name": None, **kept}
