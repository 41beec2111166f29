"""What the kernel refused while a sandbox was built, as whose fault it is."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from pytest_sandbox.engine import (
    DEFAULT_WORKDIR,
    EngineUnavailable,
    Host,
    InvalidSpec,
    StoreFull,
    TaskSpec,
    Unsupported,
)

from ..agents.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Collection

    from .gpus.found import GpuFile

#: Limits of the process, of the machine and of the user: fork(2), open(2), unshare(2), unix(7);
#: ENOSPC is also what too many namespaces are refused with.
NO_ROOM = frozenset(
    {
        *(errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC),
        errno.ETOOMANYREFS,
    }
)
#: What opening a link or a file as a directory gives, open(2), O_NOFOLLOW and O_DIRECTORY, and
#: `mount_points` for what is neither.
_NO_ROOT = frozenset({errno.EINVAL, errno.ELOOP, errno.ENOTDIR})


def reason(failure: BuildFailed | OSError) -> OSError:
    """What the kernel said."""
    return failure.reason if isinstance(failure, BuildFailed) else failure


def translated(error: OSError, spec: TaskSpec, gpu_files: Collection[GpuFile]) -> Exception:
    """What the kernel said while a sandbox was built, as whose fault it is."""
    workdir = spec.workdir
    if workdir is None and not isinstance(spec.image, Host):
        workdir = DEFAULT_WORKDIR  # where the image may have something else
    if workdir is not None and _is_about(error, workdir):
        return InvalidSpec(f"working directory {workdir!r}: {error.strerror}")
    for volume in spec.volumes:
        if _is_about(error, volume.path) and error.errno not in NO_ROOM:
            return InvalidSpec(
                f"volume {volume.volume!r} cannot be mounted at {volume.path!r}: {error.strerror}"
            )
    if spec.gpus is not None and any(error.filename == each.path for each in gpu_files):
        return Unsupported("gpu", f"{error.filename} cannot be mounted: {error.strerror}")
    if not isinstance(spec.image, Host) and error.errno in _NO_ROOT:
        return InvalidSpec(f"image {str(spec.image)!r} cannot be a root: {error.strerror}")
    about = f"{error.filename}: " if error.filename else ""
    if error.errno in NO_ROOM:
        return StoreFull(f"no room for another sandbox: {about}{error.strerror}")
    return EngineUnavailable(f"cannot build a sandbox: {about}{error.strerror}")


def _is_about(error: OSError, path: str) -> bool:
    name = str(error.filename or "")
    return name != "" and (path == name or path.startswith(name.rstrip("/") + "/"))
