"""The folders of tasks: made, given to their users, and removed, by descriptors.

No path of a task is followed here: a program could have put a link into it.
"""

from __future__ import annotations

import contextlib
import os

from pytest_sandbox._shared.trees.tree_remover import remove_tree

#: What is in the folder of a task: its home, which is where its processes start, and its folder for
#: temporary files.
HOME, TEMPORARY = "home", "tmp"
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ALL = 0o700


class TaskFolders:
    """Those of all tasks of an engine.

    Args:
        path: of the folder that they are in.

    Raises:
        OSError: there is none.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = os.open(path, _FLAGS)

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

    def remove(self, name: int) -> str:
        """Remove the folder of a task of which no process is left; why it could not be removed."""
        try:
            try:
                remove_tree(str(name), self._fd)
            except PermissionError:
                # A program took our right to some directory away, where we are not root.
                _open_up(str(name), self._fd)
                remove_tree(str(name), self._fd)
        except FileNotFoundError:
            return ""
        except OSError as error:
            return f"{self.path}/{name}: {error.strerror}"
        return ""

    def remove_all(self) -> None:
        """Remove the whole folder."""
        with contextlib.suppress(OSError):
            for name in os.listdir(self._fd):
                self.remove(int(name))
            os.rmdir(self.path)


def _open_up(name: str, folder: int) -> None:
    """Give ourselves all rights to a directory, and to those below it."""
    pending = [os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=folder)]
    while pending:
        fd = pending.pop()
        try:
            # A descriptor of this kind has no other way: fchmod(2) fails with EBADF.
            os.chmod(f"/proc/self/fd/{fd}", _ALL)
            opened = os.open(".", _FLAGS, dir_fd=fd)
        finally:
            os.close(fd)
        try:
            with os.scandir(opened) as entries:
                names = [each.name for each in entries if each.is_dir(follow_symlinks=False)]
            flags = os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY
            pending += [os.open(each, flags, dir_fd=opened) for each in names]
        finally:
            os.close(opened)
