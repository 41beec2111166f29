"""How a volume is found on a server, which is asked when the volume is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_sandbox._proto import common_pb2
from pytest_sandbox._proto import volumes_pb2 as pb
from pytest_sandbox._shared.lazy_dataclass import dataclass

from .default_client import default_client
from .exceptions import InvalidError
from .handles import address, client_at, optional_address, optional_client_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .base_client import BaseClient

__tracebackhide__ = True  # a failing test shows the caller's line, not these


@dataclass(frozen=True)
class MountOptions:
    """How sandboxes mount a volume.

    Attributes:
        read_only: whether they may only read it.
        sub_path: the directory of it that they see; `None` for all of it.
    """

    read_only: bool = False
    sub_path: str | None = None


_WHOLE = MountOptions()


VolumeAnswer = pb.VolumeGetOrCreateResponse | pb.VolumeGetByIdResponse


class VolumeReference:
    """What a server is asked for to get a volume, and what servers answered.

    Args:
        request: asks for it, by name or by id.
        client: whose volume; that of the sandbox it is used for if not given.
        known: what the servers of clients have answered already.
        read_only: whether neither sandboxes nor methods of the volume may change it.
        options: how sandboxes mount it.

    Attributes:
        client: whose volume, if it is known.
    """

    def __init__(
        self,
        request: pb.VolumeGetOrCreateRequest | pb.VolumeGetByIdRequest,
        client: BaseClient | None = None,
        known: dict[BaseClient, VolumeAnswer] | None = None,
        *,
        read_only: bool = False,
        options: MountOptions = _WHOLE,
    ) -> None:
        self.read_only = read_only
        self.options = options
        self._request = request
        self.client = client
        self._known = known if known is not None else {}

    def __reduce__(self) -> tuple[Any, ...]:
        where = optional_address(self.client, self)
        known = [(address(client, self), answer) for client, answer in self._known.items()]
        return _unpickled, (self._request, where, known, self.read_only, self.options)

    def __repr__(self) -> str:
        if isinstance(self._request, pb.VolumeGetByIdRequest):
            return f"the volume {self._request.volume_id}"
        return f"the volume {self.name!r}" if self.name else "an ephemeral volume"

    @property
    def name(self) -> str:
        """The name of the volume; empty for an ephemeral one, and one not looked up by its id."""
        if isinstance(self._request, pb.VolumeGetOrCreateRequest):
            return self._request.deployment_name
        return next((answer.metadata.name for answer in self._known.values()), "")

    @property
    def described(self) -> str:
        """The call that made it."""
        if isinstance(self._request, pb.VolumeGetByIdRequest):
            return f"from_id({self._request.volume_id!r})"
        return f"from_name({self.name!r})" if self.name else "ephemeral()"

    async def look_up(self, client: BaseClient | None = None) -> tuple[BaseClient, str]:
        """Whose volume it is, and the id by which that client's server knows it.

        Args:
            client: whose volume, if the reference does not say.

        Raises:
            NotFoundError: there is none of that name.
        """
        client = self.client or client or next(iter(self._known), None) or await default_client()
        if client not in self._known:
            self._known[client] = await self._ask(client)
        return client, self._known[client].volume_id

    async def _ask(self, client: BaseClient) -> VolumeAnswer:
        if isinstance(self._request, pb.VolumeGetByIdRequest):
            return await client.calls.control(
                lambda link: link.control.VolumeGetById, self._request
            )
        return await client.calls.control(
            lambda link: link.control.VolumeGetOrCreate, self._request
        )

    async def look_up_and_bind(self) -> tuple[BaseClient, str]:
        """Look it up, and bind it to that client: others cannot find an ephemeral volume."""
        self.client, volume_id = await self.look_up()
        return self.client, volume_id

    async def metadata(self) -> pb.VolumeMetadata:
        """What the server knows of it.

        Raises:
            NotFoundError: there is none of that name.
        """
        client, _ = await self.look_up()
        return self._known[client].metadata

    def ids(self) -> Iterator[str]:
        """The ids by which servers know it, as far as it was looked up."""
        return (response.volume_id for response in self._known.values())

    def for_reading(self) -> VolumeReference:
        """The same volume, which can only be read."""
        options = MountOptions(read_only=True)
        return VolumeReference(
            self._request, self.client, self._known, read_only=True, options=options
        )

    def with_options(self, options: MountOptions) -> VolumeReference:
        """The same volume, mounted in another way."""
        return VolumeReference(self._request, self.client, self._known, options=options)


def _unpickled(
    request: pb.VolumeGetOrCreateRequest | pb.VolumeGetByIdRequest,
    where: str,
    known: list[tuple[str, VolumeAnswer]],
    read_only: bool,
    options: MountOptions,
) -> VolumeReference:
    answers = {client_at(each): answer for each, answer in known}
    client = optional_client_at(where)
    return VolumeReference(request, client, answers, read_only=read_only, options=options)


def volume_request(
    name: str,
    environment: str | None,
    version: int | None = None,
    creation: common_pb2.ObjectCreationType | None = None,
) -> pb.VolumeGetOrCreateRequest:
    """What asks for a volume.

    Args:
        name: of the volume; empty for an ephemeral one.
        environment: the environment it is in.
        version: 1 or 2, of Modal's file system.
        creation: whether to make it; not, if not given.

    Raises:
        InvalidError: that cannot be a version.
    """
    if version not in (None, 1, 2):
        raise InvalidError(f"version={version!r} is neither 1 nor 2")
    return pb.VolumeGetOrCreateRequest(
        deployment_name=name,
        environment_name=environment or "",
        version=pb.VolumeFsVersion.Name(version) if version else None,
        object_creation_type=creation,
    )
