"""The folders of tasks: made, given to their users, and removed, by descriptors.

No path of a task is followed here: a program could have put a link into it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os

from pytest_sandbox._shared.trees.tree_remover import remove_tree

#: What is in the folder of a task: its home, which is where its processes start, and its folder for
#: temporary files.
HOME, TEMPORARY = "home", "tmp"
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ALL = 0o700


class TaskFolders:
    """Those of all tasks of an engine.

    The folder that they are in is locked while it is used, flock(2), so that leftovers are known.

    Args:
        path: of that folder.

    Raises:
        OSError: there is none.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = os.open(path, _FLAGS)
        fcntl.flock(self._fd, fcntl.LOCK_SH)

    def make(self, name: int, uid: int | None) -> str:
        """Make the folder of a task, which belongs to a user; its path."""
        os.mkdir(str(name), _ALL, dir_fd=self._fd)
        fd = os.open(str(name), _FLAGS, dir_fd=self._fd)
        try:
            for inside in (HOME, TEMPORARY):
                os.mkdir(inside, _ALL, dir_fd=fd)
                if uid is not None:
                    os.chown(inside, uid, uid, dir_fd=fd, follow_symlinks=False)
            if uid is not None:
                os.fchown(fd, uid, uid)
        finally:
            os.close(fd)
        return f"{self.path}/{name}"

    def remove(self, name: str) -> str:
        """Remove the folder of a task of which no process is left; why it could not be removed."""
        try:
            # A program takes the right to a directory away from all but root.
            remove_tree(name, self._fd, closed=True)
        except FileNotFoundError:
            return ""
        except OSError as error:
            return f"{self.path}/{name}: {error.strerror}"
        return ""

    def remove_all(self) -> None:
        """Remove the whole folder."""
        with contextlib.suppress(OSError):
            for name in os.listdir(self._fd):
                self.remove(name)
            os.rmdir(self.path)
