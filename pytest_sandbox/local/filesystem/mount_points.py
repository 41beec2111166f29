"""Places to mount at, in a tree that a hostile program may have left behind.

mount(2) follows symbolic links. A program could make `/proc` a link to somewhere, snapshot itself,
and have the next sandbox mount there, so no link is followed here.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from ..kernel.calls import PreparedCalls
from ..kernel.present import Modes, add_folder

#: What the kernel shows; mounts over it would hide what `masked_paths` mounted.
_KERNEL = ("/dev", "/proc", "/sys")
#: Source of mounted images in the list of mounts, which tells them from other mounts: nothing
#: inside of a sandbox can mount.
IMAGE_SOURCE = "image"
#: Likewise that of the root, and of folders of the machine that have a layer of the sandbox's.
LAYERED_SOURCE = "overlay"
#: O_PATH takes no right to read; with O_NOFOLLOW, a link in the last place is refused: open(2). So
#: each name of a path is opened by itself.
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def prepare(root: str, folders: list[str], files: list[str]) -> None:
    """Make sure that there are directories and files to mount over; make what is missing.

    Args:
        root: where the paths begin.
        folders: absolute paths of directories.
        files: absolute paths of files.

    Raises:
        OSError: something else is there; a link above all, which is never followed.
    """
    for path in folders:
        os.close(_open(root, path))
    for path in files:
        folder, _, name = path.rpartition("/")
        fd = _open(root, folder)
        try:
            with contextlib.suppress(FileExistsError):
                os.mknod(name, 0o666, dir_fd=fd)
            if not stat.S_ISREG(os.lstat(name, dir_fd=fd).st_mode):
                raise OSError(errno.EINVAL, f"{path!r} of the image is not a file", path)
        finally:
            os.close(fd)


def have(root: str, folders: list[str], files: list[str], calls: PreparedCalls) -> None:
    """Have `calls` do what `prepare` does, quickly if nothing is missing.

    Args:
        root: where the paths begin.
        folders: as for `prepare`, and those that the files are in.
        files: as for `prepare`.
        calls: where it is prepared.
    """
    look = PreparedCalls()
    for path in folders:
        add_folder(root + path, look)
    found = Modes([root + path for path in files], look)
    calls.do_unless(look, found.are_files, prepare, root, folders, files)


def remove(root: str, path: str) -> None:
    """Remove what `prepare` made to mount a file over, if it is there and still empty.

    Args:
        root: where the path begins.
        path: absolute path of the file.
    """
    folder, _, name = path.rpartition("/")
    fd = os.open(root, _FOLDER)
    try:
        for each in folder.strip("/").split("/"):
            above, fd = fd, os.open(each, _FOLDER, dir_fd=fd)
            os.close(above)
        info = os.lstat(name, dir_fd=fd)
        if stat.S_ISREG(info.st_mode) and info.st_size == 0:
            os.unlink(name, dir_fd=fd)
    except OSError:
        pass  # it is not there, or not in a folder that can be written to
    finally:
        os.close(fd)


def enter(path: str) -> None:
    """Make a directory the current one, to mount something over it.

    Links are followed: the process sees the sandbox's root only. Where they lead is then asked of
    the kernel, and cannot change any more, since the directory is held.

    Raises:
        OSError: `EPERM` if that is the root, or the kernel's.
    """
    os.chdir(path)
    # As the kernel resolved it: getcwd(2) shows no links and no `..`.
    where = os.getcwd()
    if where == "/" or any(f"{where}/".startswith(f"{top}/") for top in _KERNEL):
        raise OSError(errno.EPERM, "nothing can be mounted there", path)


def _open(root: str, path: str) -> int:
    try:
        return open_directory(root, path)
    except OSError as error:
        raise OSError(error.errno, f"{path!r} of the image: {error.strerror}", path) from error


def open_directory(root: str, path: str) -> int:
    """Open a directory below another one by `O_PATH`; make what is missing, follow no link.

    Raises:
        OSError: something else is there; names the path.
    """
    fd = os.open(root, _FOLDER)
    for name in path.strip("/").split("/"):
        above = fd
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=above)
            fd = os.open(name, _FOLDER, dir_fd=above)
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from error
        finally:
            os.close(above)
    return fd
