"""The lease of a run directory: how the server learns that its owner is gone.

The owner holds a POSIX record lock on `lease`, which the kernel releases when the owner dies,
however it dies (fcntl_locking(2)). The server waits for that lock in a thread.
"""

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path

PREFIX = "pytest-sandbox-"
#: All that a run directory may hold; nothing else is ever removed.
FILES = ("socket", "server.log", "start.lock", "ca.pem", "lease")


def watch(directory: Path, on_free: Callable[[], None]) -> None:
    """Call `on_free`, in a thread, once the lease of `directory` is free.

    A lease that does not exist is free.
    """

    def wait() -> None:
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(directory / "lease", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            fcntl.lockf(descriptor, fcntl.LOCK_EX)
        on_free()

    threading.Thread(target=wait, name="lease", daemon=True).start()


def remove(directory: Path) -> None:
    """Remove a run directory: the files it is known to hold, and itself if it is empty then."""
    for name in FILES:
        with contextlib.suppress(OSError):
            (directory / name).unlink()
    with contextlib.suppress(OSError):
        directory.rmdir()


def sweep(parent: Path, mine: Path) -> None:
    """Remove the run directories in `parent` that belong to this user and that nobody holds."""
    for directory in parent.glob(f"{PREFIX}*"):
        if directory != mine and _is_ours(directory) and is_free(directory):
            remove(directory)


def _is_ours(directory: Path) -> bool:
    try:
        # Not a link, so that nobody leads us elsewhere.
        return not directory.is_symlink() and directory.stat().st_uid == os.geteuid()
    except OSError:
        return False


def is_free(directory: Path) -> bool:
    """Whether nobody holds the lease; what this process itself holds counts as free."""
    try:
        descriptor = os.open(directory / "lease", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        # Without a lease it is a directory in the making, or none of ours.
        return False
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
