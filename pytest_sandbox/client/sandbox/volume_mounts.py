"""The argument `volumes=` as messages."""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

from pytest_sandbox._proto.common_pb2 import VolumeMount
from pytest_sandbox._shared.checks import is_text
from pytest_sandbox._shared.type_names import type_name

from ..exceptions import InvalidError, UnimplementedError
from ..volume import Volume

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..base_client import BaseClient

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: Paths at which Modal mounts no volume.
_TAKEN = ("/", "/root", "/tmp")


async def volume_mounts(
    volumes: Mapping[str | os.PathLike[str], Volume], client: BaseClient
) -> list[VolumeMount]:
    """The volumes to mount. Those that are not known yet are looked up or created.

    Args:
        volumes: by the path where each shows.
        client: of the sandbox.

    Raises:
        InvalidError: a path or a volume that cannot be mounted.
        NotFoundError: there is no volume of that name.
    """
    return [
        VolumeMount(
            volume_id=(await volume.reference.look_up(client))[1],
            mount_path=path,
            read_only=volume.reference.options.read_only,
            sub_path=volume.reference.options.sub_path,
            allow_background_commits=True,  # as all of Modal's clients say
        )
        for path, volume in check_volumes(volumes).items()
    ]


def check_volumes(volumes: Mapping[str | os.PathLike[str], Volume]) -> dict[str, Volume]:
    """The volumes by the path where each shows.

    Raises:
        InvalidError: a path or a volume that cannot be mounted.
        UnimplementedError: a bucket of a cloud.
    """
    if not isinstance(volumes, dict):
        raise InvalidError(f"volumes={volumes!r} is {type_name(volumes)}, not a dict")
    checked: dict[str, Volume] = {}
    for given, volume in volumes.items():
        path = _checked_path(given)
        if type(volume).__name__ == "CloudBucketMount":  # of Modal's client, say
            raise UnimplementedError(
                f"volumes={{{path!r}: CloudBucketMount(...)}} is not implemented yet in "
                "pytest-sandbox; mount a Volume, and put the objects into it with batch_upload. A "
                "program that talks to the store itself reaches it with cidr_allowlist"
            )
        if not isinstance(volume, Volume):
            raise InvalidError(f"volumes={{{path!r}: {volume!r}}}: that is no Volume")
        if volume in checked.values():
            raise InvalidError(f"{volume!r} can be mounted at one path only, not at {path!r} too")
        checked[path] = volume
    return checked


def _checked_path(given: object) -> str:
    path = os.fspath(given) if isinstance(given, os.PathLike) else given
    if not is_text(path):
        raise InvalidError(f"volumes={{{given!r}: ...}}: {given!r} is not a path")
    path = path.rstrip("/") or "/"
    if not path.startswith("/") or posixpath.normpath(path) != path:
        raise InvalidError(
            f"volumes={{{given!r}: ...}}: a volume is mounted at an absolute path without . or .."
        )
    if path in _TAKEN:
        raise InvalidError(f"volumes={{{given!r}: ...}}: no volume can be mounted at {path}")
    return path
