"""The store of images on disk, as far as the engine decides about it."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from typing import TYPE_CHECKING

from pytest_sandbox.engine import EngineUnavailable
from pytest_sandbox.images import ImageError, ImageStore

from ...kernel.idmap import SHIFT
from ...kernel.syscalls import check, libc
from ...options import Mode
from ..machine import ids

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ..links.zygote_link import ZygoteLink

#: Files in the directory of a layer: see `WrittenLayer`.
_BOOT, _ON_DISK = "boot", "on-disk"
#: Directories in the store with programs that run as root, of a sandbox: no other user of the
#: machine may reach them, whoever made the folder of the store.
_OF_ROOTS = ("layers", "new")

_REMEDY = "set PYTEST_SANDBOX_IMAGES to a folder of this user's on ext4, XFS, Btrfs or tmpfs"


def image_store(environ: Mapping[str, str]) -> ImageStore:
    """The store that the environment names; its folder is made, if that can be.

    Raises:
        EngineUnavailable: a variable makes no sense.
    """
    try:
        store = ImageStore.of_environment(environ)
    except ImageError as error:
        raise EngineUnavailable(str(error)) from error
    with contextlib.suppress(OSError):  # a home that cannot be written to: there are no images then
        store.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if existing_folder(environ):
            for name in _OF_ROOTS:
                path = store.folder / name
                path.mkdir(mode=0o700, exist_ok=True)
                path.chmod(0o700)
    return store


def existing_folder(environ: Mapping[str, str]) -> str:
    """The folder of the store that the environment names; empty if there is none of this user.

    Another user could put other files in the place of a layer's.
    """
    with contextlib.suppress(ImageError, OSError):  # no such folder, or none to look at
        folder = ImageStore.of_environment(environ).folder
        info = folder.stat()
        if stat.S_ISDIR(info.st_mode) and info.st_uid == os.geteuid():
            return str(folder)
    return ""


def owners_of(zygote: ZygoteLink) -> str:
    """What the owners of unpacked files mean; empty if they are the numbers of a sandbox.

    Root of the machine stores these; another user can only store ids that it has.

    Args:
        zygote: unpacks; started.
    """
    if zygote.mode is Mode.SINGLE:
        return "single"
    if zygote.mode is not Mode.SUBORDINATE:
        return ""
    if os.geteuid() != 0:
        return f"subordinate {ids.subordinate('/etc/subuid').first}"
    # See `user_namespace`: without cgroups, the machine's root maps ids that nothing else uses.
    shifted = ids.is_root_of_machine() and not zygote.controllers
    return f"subordinate {SHIFT}" if shifted else ""


def refused(zygote: ZygoteLink) -> str:
    """Why there can be no images, and what to do; empty if there can.

    Args:
        zygote: started.
    """
    return zygote.no_images and f"{zygote.no_images}; {_REMEDY}"


class WrittenLayer:
    """Whether an unpacked layer is as it was written, also after the machine lost power.

    To wait for the disk would take longer than all else. So a layer counts until the next boot,
    and for good once the kernel has said that it is on the disk.

    Args:
        folder: the layer's, in the store.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def note(self) -> None:
        """Say that it is all written."""
        (self._folder / _BOOT).write_text(boot_id())

    @property
    def counts(self) -> bool:
        """Whether it may be used."""
        with contextlib.suppress(OSError):
            return (self._folder / _ON_DISK).exists() or (
                (self._folder / _BOOT).read_text() == boot_id()
            )
        return False

    def sync(self) -> None:
        """Have it written to the disk, on a thread of its own, for which nothing waits."""
        threading.Thread(target=self._sync, name="writes a layer to disk", daemon=True).start()

    def _sync(self) -> None:
        with contextlib.suppress(OSError):  # it may be evicted meanwhile
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                check(libc.syncfs(folder), str(self._folder))
            finally:
                os.close(folder)
            (self._folder / _ON_DISK).touch()


def boot_id() -> str:
    """Tells this boot of the machine from others."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read()
