"""The lease of a run directory: how the server learns that its owner is gone.

The owner holds a POSIX record lock on `lease`, which the kernel releases when the owner dies,
however it dies (fcntl_locking(2)). The server waits for that lock in a thread.
"""

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from pytest_sandbox._shared.run_directory import (
    LEASE,
    NEW_LEASE,
    PREFIX,
    is_run_directory,
    remove,
)


def watch(directory: Path, on_free: Callable[[], None]) -> None:
    """Call `on_free`, in a thread, once the lease of `directory` is free.

    A lease that does not exist is free.
    """

    def wait() -> None:
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(directory / LEASE, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            fcntl.lockf(descriptor, fcntl.LOCK_EX)
        on_free()

    threading.Thread(target=wait, name="lease", daemon=True).start()


def sweep(parent: Path, mine: Path) -> None:
    """Remove the run directories in `parent` of this user whose owner is gone."""
    for directory in parent.glob(f"{PREFIX}*"):
        if directory == mine or not is_run_directory(directory):
            continue
        if is_free(directory):
            remove(directory)
        else:
            _remove_unleased(directory)


def is_free(directory: Path) -> bool:
    """Whether no other process holds the lease; false if there is none.

    Record locks belong to a process (fcntl_locking(2)): one of its own never refuses it.
    """
    with contextlib.suppress(OSError), _locked(directory / LEASE):
        return True
    return False


def _remove_unleased(directory: Path) -> None:
    """Remove a directory whose owner died before it had the lease.

    One that is only about to have it makes another directory then.
    """
    with contextlib.suppress(OSError):  # another process holds it, or sweeps too
        names = os.listdir(directory)
        if names == [NEW_LEASE]:
            with _locked(directory / NEW_LEASE):
                (directory / NEW_LEASE).unlink()
        # Fails if there is anything else, so this is no run directory, or one that has its lease.
        directory.rmdir()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file.

    Raises:
        OSError: another process holds it, or there is no such file.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
