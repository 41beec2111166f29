"""The lease of a run directory: how the server learns that its owner is gone.

The owner holds a POSIX record lock on `lease`, which the kernel releases when the owner dies,
however it dies (fcntl_locking(2)). The server waits for that lock in a thread.
"""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

PREFIX = "pytest-sandbox-"
#: The files of a run directory; nothing else in it is ever removed. The lease is the last: without
#: it no later sweep would find the rest.
FILES = (
    *("socket", "server.log", "start.lock", "ca.pem", "run.json", "run.json.new"),
    *("lease.new", "lease"),
)
#: The directory in it with a file for each template, which the plugin makes.
TEMPLATES = "templates"
#: Seconds after which a run directory without a lease has no owner any more: it takes milliseconds
#: to make one.
ABANDONED = 3600.0


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
    """Remove the files of a run directory, and the directory if it is empty then."""
    templates = directory / TEMPLATES
    if templates.is_dir() and not templates.is_symlink():
        for file in templates.iterdir():
            with contextlib.suppress(OSError):
                file.unlink()
        with contextlib.suppress(OSError):
            templates.rmdir()
    for name in FILES:
        with contextlib.suppress(OSError):
            (directory / name).unlink()
    with contextlib.suppress(OSError):
        directory.rmdir()


def sweep(parent: Path, mine: Path) -> None:
    """Remove the run directories in `parent` of this user whose owner is gone."""
    for directory in parent.glob(f"{PREFIX}*"):
        if directory == mine or not _is_ours(directory):
            continue
        if is_free(directory) or _is_abandoned(directory):
            remove(directory)


def _is_abandoned(directory: Path) -> bool:
    """Whether the owner died before it held the lease."""
    try:
        age = time.time() - directory.stat().st_mtime
        return age > ABANDONED and set(os.listdir(directory)) <= {"lease.new"}
    except OSError:
        return False


def _is_ours(directory: Path) -> bool:
    try:
        # A symbolic link of another user could lead to a directory of ours.
        return not directory.is_symlink() and directory.stat().st_uid == os.geteuid()
    except OSError:
        return False


def is_free(directory: Path) -> bool:
    """Whether no other process holds the lease.

    Record locks belong to a process (fcntl_locking(2)): one of its own never refuses it.
    """
    try:
        descriptor = os.open(directory / "lease", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        # A directory without a lease is just being made, or is something else.
        return False
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
