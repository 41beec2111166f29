"""Volumes: folders that outlive sandboxes, and that sandboxes share."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pytest_sandbox._proto import common_pb2
from pytest_sandbox._proto import volumes_pb2 as pb
from pytest_sandbox._shared import relative_path
from pytest_sandbox._shared.checks import is_text

from .default_client import default_client
from .ephemeral_volume import Ephemeral
from .exceptions import ConflictError, ExecutionError, InvalidError, NotFoundError
from .refusals import refused
from .transport.dual import dual, dual_function, immediate
from .validation import check_name, refuse
from .volume_files import VolumeFileMethods
from .volume_info import VolumeInfo, timestamp, volume_info
from .volume_reference import MountOptions, VolumeReference, volume_request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from .base_client import BaseClient

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: Volumes in one page of a listing.
_PAGE = 100


class VolumeObjects:
    """Volumes by name, as `Volume.objects`."""

    @staticmethod
    @dual_function
    async def create(
        name: str,
        *,
        version: int | None = None,
        allow_existing: bool = False,
        environment_name: str | None = None,
        client: BaseClient | None = None,
        experimental_options: object = None,
    ) -> None:
        """Make a volume.

        Args:
            name: of the volume.
            version: 1 or 2, of Modal's file system; it makes no difference here.
            allow_existing: do nothing if it exists.
            environment_name: the environment it is to be in.
            client: whose volume; the default client's if not given.
            experimental_options: refused: they are about Modal's file system.

        Raises:
            AlreadyExistsError: there is one.
            InvalidError: that cannot be a name, or a version.
        """
        refuse(experimental_options=experimental_options)
        check_name(name, "Volume")
        creation = (
            common_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING
            if allow_existing
            else common_pb2.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS
        )
        request = volume_request(name, environment_name, version, creation)
        await VolumeReference(request, client).look_up()

    @staticmethod
    @dual_function
    async def delete(
        name: str,
        *,
        allow_missing: bool = False,
        environment_name: str | None = None,
        client: BaseClient | None = None,
    ) -> None:
        """Delete a volume; sandboxes that have it mounted still use it until they end.

        Args:
            name: of the volume.
            allow_missing: do nothing if it does not exist.
            environment_name: the environment it is in.
            client: whose volume; the default client's if not given.

        Raises:
            NotFoundError: there is none.
        """
        volume = Volume.from_name(name, environment_name=environment_name, client=client)
        try:
            client, volume_id = await volume.reference.look_up()
        except NotFoundError:
            if allow_missing:
                return
            raise
        request = pb.VolumeDeleteRequest(volume_id=volume_id)
        await client.calls.control(lambda link: link.control.VolumeDelete, request)

    @staticmethod
    @dual_function
    async def list(
        *,
        max_objects: int | None = None,
        created_before: datetime | str | None = None,
        environment_name: str = "",
        client: BaseClient | None = None,
    ) -> list[Volume]:
        """The volumes with a name, the newest first.

        Args:
            max_objects: how many at most.
            created_before: those made before that time, or the beginning of that day, as
                ISO 8601 has it.
            environment_name: the environment they are in.
            client: whose volumes; the default client's if not given.

        Raises:
            InvalidError: a negative number, or something that is no time.
        """
        if max_objects is not None and max_objects < 0:
            raise InvalidError(f"max_objects={max_objects!r} is negative")
        client = client or await default_client()
        volumes: list[Volume] = []
        before = timestamp(created_before)
        while max_objects is None or len(volumes) < max_objects:
            request = pb.VolumeListRequest(
                environment_name=environment_name,
                pagination=common_pb2.ListPagination(max_objects=_PAGE, created_before=before),
            )
            page = await client.calls.control(lambda link: link.control.VolumeList, request)
            volumes += [_found(item, client, environment_name) for item in page.items]
            if len(page.items) < _PAGE:
                break
            before = page.items[-1].metadata.creation_info.created_at
        return volumes[:max_objects]


class Volume(VolumeFileMethods):
    """A folder that outlives sandboxes; see `from_name` and `ephemeral`.

    It is mounted with `Sandbox.create(volumes={"/data": volume})`, and what one sandbox writes
    all others that have it see at once. It lives until it is deleted, or the engine ends.

    Attributes:
        reference: finds it on a server; for the other classes of this package.
    """

    #: Makes, lists and deletes volumes.
    objects = VolumeObjects

    def __init__(self, reference: VolumeReference) -> None:
        self.reference = reference

    @staticmethod
    def from_name(
        name: str,
        *,
        environment_name: str | None = None,
        create_if_missing: bool = False,
        version: int | None = None,
        create_options: object = None,
        client: BaseClient | None = None,
    ) -> Volume:
        """A volume of that name. It is looked up, or made, when it is used.

        Args:
            name: of the volume.
            environment_name: the environment it is in.
            create_if_missing: make it if there is none.
            version: 1 or 2, of Modal's file system; it makes no difference here.
            create_options: refused: they are about Modal's file system.
            client: whose volume; that of the sandbox it is used for if not given.

        Raises:
            InvalidError: that cannot be a name, or a version.
        """
        refuse(create_options=create_options)
        check_name(name, "Volume")
        creation = common_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING if create_if_missing else None
        return Volume(
            VolumeReference(volume_request(name, environment_name, version, creation), client)
        )

    @staticmethod
    @immediate
    def from_id(volume_id: str, client: BaseClient | None = None) -> Volume:
        """The volume with an id. It is looked up when it is used.

        Args:
            volume_id: its `object_id`.
            client: whose volume; that of the sandbox it is used for if not given.

        Raises:
            InvalidError: that is not the id of a volume.
        """
        if not isinstance(volume_id, str) or not volume_id.startswith("vo-"):
            raise InvalidError(f"{volume_id!r} is not the id of a volume: these begin with 'vo-'")
        return Volume(VolumeReference(pb.VolumeGetByIdRequest(volume_id=volume_id), client))

    @classmethod
    def ephemeral(
        cls,
        client: BaseClient | None = None,
        environment_name: str | None = None,
        version: int | None = None,
        create_options: object = None,
    ) -> Ephemeral[Volume]:
        """A volume without a name, for a `with` or an `async with`, with which it ends.

        Args:
            client: whose volume; the default client's if not given.
            environment_name: the environment it is in.
            version: 1 or 2, of Modal's file system; it makes no difference here.
            create_options: refused: they are about Modal's file system.
        """
        refuse(create_options=create_options)
        creation = common_pb2.OBJECT_CREATION_TYPE_EPHEMERAL
        request = volume_request("", environment_name, version, creation)
        reference = VolumeReference(request, client)
        return Ephemeral(cls(reference), reference)

    def read_only(self) -> Volume:
        """The same volume, for sandboxes that may only read it; nor do its own methods write.

        Raises:
            InvalidError: it has options of `with_mount_options`, which takes `read_only` too.
        """
        if self.reference.options != MountOptions():
            raise InvalidError(f"{self!r}: say with_mount_options(read_only=True) instead")
        return Volume(self.reference.for_reading())

    def with_mount_options(
        self, *, read_only: bool | None = None, sub_path: str | PurePosixPath | None = None
    ) -> Volume:
        """The same volume, mounted in another way.

        Args:
            read_only: whether sandboxes may only read it; methods of the volume still write.
            sub_path: mount this directory of the volume instead of all of it. It is created when
                a sandbox mounts it, if it does not exist. It may not lead through a link.

        Raises:
            InvalidError: the path contains `..`, or the volume is `read_only()`.
        """
        if self.reference.read_only:
            raise InvalidError(f"{self!r}: say with_mount_options(read_only=True) instead")
        options = self.reference.options
        if read_only is not None:
            options = dataclasses.replace(options, read_only=read_only)
        if sub_path is not None:
            options = dataclasses.replace(options, sub_path=_checked_sub_path(sub_path))
        return Volume(self.reference.with_options(options))

    @property
    def client(self) -> BaseClient | None:
        """The client that it is of; `None` if it is looked up where it is used."""
        return self.reference.client

    @property
    def name(self) -> str | None:
        """Its name; `None` if it is ephemeral, or was found by its id and not looked up yet."""
        return self.reference.name or None

    @property
    def object_id(self) -> str:
        """Its id.

        Raises:
            ExecutionError: it was not looked up yet.
        """
        for volume_id in self.reference.ids():
            return volume_id
        raise ExecutionError(f"{self!r} was not looked up yet: call hydrate()")

    @dual
    async def hydrate(self, client: BaseClient | None = None) -> Volume:
        """Look it up, or make it, now.

        Args:
            client: whose volume, if it does not know.

        Raises:
            NotFoundError: there is none of that name.
        """
        await self.reference.look_up(client)
        return self

    @dual
    async def info(self) -> VolumeInfo:
        """Information about it.

        Raises:
            NotFoundError: there is none of that name.
        """
        return volume_info(await self.reference.metadata())

    @dual
    async def commit(self) -> None:
        """Commit what sandboxes have changed, with Modal's semantics; save what outlives the run.

        Raises:
            ResourceExhaustedError: no room for it on the disk.
            RuntimeError: it was deleted.
        """
        client, volume_id = await self.reference.look_up()
        request = pb.VolumeCommitRequest(volume_id=volume_id)
        with _runtime_error_if_gone():
            await client.calls.control(lambda link: link.control.VolumeCommit, request)

    @dual
    async def reload(self) -> None:
        """Do nothing, for code that runs on Modal; see `Sandbox.reload_volumes`.

        Raises:
            RuntimeError: it was deleted.
        """
        client, volume_id = await self.reference.look_up()
        request = pb.VolumeReloadRequest(volume_id=volume_id)
        with _runtime_error_if_gone():
            await client.calls.control(lambda link: link.control.VolumeReload, request)

    @staticmethod
    @dual_function
    async def delete(
        name: str, client: BaseClient | None = None, environment_name: str | None = None
    ) -> None:
        """Delete a volume, as `Volume.objects.delete` does.

        Args:
            name: of the volume.
            client: whose volume; the default client's if not given.
            environment_name: the environment it is in.

        Raises:
            NotFoundError: there is none.
        """
        await VolumeObjects.delete.core(name, environment_name=environment_name, client=client)

    @staticmethod
    @dual_function
    async def rename(
        old_name: str,
        new_name: str,
        *,
        client: BaseClient | None = None,
        environment_name: str | None = None,
    ) -> None:
        """Give a volume another name.

        Args:
            old_name: its name.
            new_name: its name from then on.
            client: whose volume; the default client's if not given.
            environment_name: the environment it is in.

        Raises:
            AlreadyExistsError: there is one of that name.
            NotFoundError: there is none to rename.
        """
        check_name(new_name, "Volume")
        volume = Volume.from_name(old_name, environment_name=environment_name, client=client)
        client, volume_id = await volume.reference.look_up()
        request = pb.VolumeRenameRequest(volume_id=volume_id, name=new_name)
        await client.calls.control(lambda link: link.control.VolumeRename, request)

    get_dashboard_url = refused("Volume.get_dashboard_url", "there is no dashboard")

    def __repr__(self) -> str:
        made = f"Volume.{self.reference.described}"
        if self.reference.read_only:
            return f"{made}.read_only()"
        options = self.reference.options
        said = [
            f"{name}={value!r}"
            for name, value in vars(options).items()
            if value not in (None, False)
        ]
        return f"{made}.with_mount_options({', '.join(said)})" if said else made


def _checked_sub_path(given: str | PurePosixPath) -> str | None:
    path = PurePosixPath(given).as_posix() if isinstance(given, PurePosixPath) else given
    if not is_text(path):
        raise InvalidError(f"sub_path={given!r} is not a path")
    try:
        return "/".join(relative_path.parts(path.lstrip("/"))) or None
    except ValueError as error:
        raise InvalidError(f"sub_path={given!r}: {error}") from None


def _found(item: pb.VolumeListItem, client: BaseClient, environment: str) -> Volume:
    response = pb.VolumeGetOrCreateResponse(
        volume_id=item.volume_id, version=item.metadata.version, metadata=item.metadata
    )
    request = volume_request(item.metadata.name, environment)
    return Volume(VolumeReference(request, client, {client: response}))


@contextlib.contextmanager
def _runtime_error_if_gone() -> Iterator[None]:
    """Raise `RuntimeError` if the volume is gone, as Modal does."""
    try:
        yield
    except (ConflictError, NotFoundError) as error:
        raise RuntimeError(str(error)) from error
