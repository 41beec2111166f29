"""Volumes on disk, for later runs: a directory for each.

    ENVIRONMENT/NAME/lock        locked with flock(2) by the run that uses the volume
    ENVIRONMENT/NAME/about.json  when it was made, and its version
    ENVIRONMENT/NAME/files.tar   its files, if any were saved
    ENVIRONMENT/NAME/*.new       being written

A file is written and synced before rename(2) puts it in its place, so a process that dies at any
moment leaves the old contents or the new ones. The kernel releases the lock of a process that dies.
Every function blocks.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote, unquote

_FILES = ("about.json", "files.tar", "about.json.new", "files.tar.new")


class VolumeInUse(Exception):
    """Another run uses the volume."""


@dataclass(frozen=True)
class StoredAbout:
    """What is known of a volume besides its files.

    Attributes:
        created_at: in seconds since the Unix epoch.
        version: of Modal's file system.
    """

    created_at: float
    version: int


class StoredVolume:
    """A volume on disk that this process has locked.

    Args:
        path: its directory.
        lock: the open and locked file; closing it releases the lock.
    """

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    def describe(self, about: StoredAbout) -> None:
        """Store what is known of it."""
        with self.replacing("about.json") as file:
            file.write(json.dumps(vars(about)).encode())

    def files(self) -> IO[bytes] | None:
        """Its files as a tar, to be closed; `None` if none were saved."""
        with contextlib.suppress(FileNotFoundError):
            return (self.path / "files.tar").open("rb")
        return None

    @contextlib.contextmanager
    def replacing(self, name: str) -> Iterator[IO[bytes]]:
        """A new file, which takes the place of the old one if the block ends well."""
        fresh = self.path / f"{name}.new"
        try:
            with fresh.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.rename(fresh, self.path / name)
        finally:
            fresh.unlink(missing_ok=True)
        _sync(self.path)

    def remove(self) -> None:
        """Remove it, and release the lock."""
        for name in _FILES:
            (self.path / name).unlink(missing_ok=True)
        (self.path / "lock").unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # another run may have made it again
            self.path.rmdir()
        self.close()

    def move(self, other: "StoredVolume") -> None:
        """Give its contents to another one, and remove it."""
        for name in ("files.tar", "about.json"):
            with contextlib.suppress(FileNotFoundError):
                os.rename(self.path / name, other.path / name)
        _sync(other.path)
        self.remove()

    def size(self) -> int:
        """Bytes of its files on disk."""
        try:
            return (self.path / "files.tar").stat().st_size
        except FileNotFoundError:
            return 0

    def close(self) -> None:
        """Release the lock."""
        os.close(self._lock)


class VolumeFolder:
    """The stored volumes.

    Args:
        path: of the directory; made when it is needed, for this user alone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def known(self) -> Iterator[tuple[str, str, StoredAbout]]:
        """The environment and the name of each, and what is known of it."""
        for path in sorted(self.path.glob("*/*/about.json")):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                stored = json.loads(path.read_bytes())
                about = StoredAbout(float(stored["created_at"]), int(stored["version"]) % 3)
                yield unquote(path.parent.parent.name), path.parent.name, about

    def open(self, environment: str, name: str) -> StoredVolume:
        """Lock one; what is not there yet is made.

        Raises:
            OSError: it cannot be made.
            VolumeInUse: another run has it.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.path / quote(environment, safe="") / name
        while True:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Who removed the volume meanwhile has removed the file that is locked now.
                if os.fstat(lock).st_ino == os.stat(path / "lock").st_ino:
                    return StoredVolume(path, lock)
            except BlockingIOError:
                os.close(lock)
                raise VolumeInUse(f"Volume {name!r} is in use by another run") from None
            except FileNotFoundError:
                pass
            os.close(lock)


def _sync(folder: Path) -> None:
    """Sync the names in a folder to the disk, which fsync(2) of a file does not do."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
