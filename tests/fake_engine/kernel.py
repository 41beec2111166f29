"""A program that does file operations on the real kernel, below a folder it cannot leave.

It changes its root to the folder it is given, then reads a list of operations a line as JSON and
answers with a list a line: `{"errno": 2}` or `{"value": ...}` for each. Operation `tree`
describes everything below the root.

With `mounts` after the folder, each list is done by a process of its own, in a mount namespace of
its own, on a fresh tmpfs; there it may mount further ones, and they go with it.
"""

import base64
import ctypes
import errno
import json
import os
import shutil
import stat
import sys
from collections.abc import Callable
from typing import Any


def confine(folder: str) -> None:
    inside = os.stat(folder)
    os.chroot(folder)
    os.chdir("/")
    os.umask(0)
    if not os.path.samestat(inside, os.stat("/")) or os.listdir("/"):
        sys.exit("not confined to an empty folder")


def clear() -> None:
    """Remove everything; the root is the empty folder that `confine` began with."""
    os.chdir("/")
    os.chown("/", 0, 0)
    os.chmod("/", 0o755)
    for name in os.listdir("/"):
        path = "/" + name
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)


def describe(path: str) -> list[Any]:
    """What can be compared about a file: not times, not a directory's size."""
    status = os.lstat(path)
    mode = status.st_mode
    if stat.S_ISLNK(mode):
        return ["link", os.readlink(path), status.st_nlink]
    if stat.S_ISDIR(mode):
        return ["directory", mode, status.st_uid, status.st_gid]
    with open(path, "rb") as file:
        data = file.read(1 << 20)
    content = base64.b64encode(data).decode()
    return ["file", mode, status.st_uid, status.st_gid, status.st_nlink, status.st_size, content]


def tree(path: str = "/") -> dict[str, list[Any]]:
    found = {path: describe(path)}
    if os.path.isdir(path) and not os.path.islink(path):
        for name in sorted(os.listdir(path)):
            found |= tree(os.path.join(path, name))
    return found


def write(path: str, flags: int, mode: int, offset: int, data: str) -> str:
    """Open, write if the flags allow, and read everything back if they do."""
    descriptor = os.open(path, flags, mode)
    try:
        if flags & os.O_ACCMODE != os.O_RDONLY:
            os.pwrite(descriptor, data.encode(), offset)
        if flags & os.O_ACCMODE != os.O_WRONLY:
            return os.pread(descriptor, 1 << 20, 0).decode()
        return ""
    finally:
        os.close(descriptor)


LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS = 0x20000
MS_REC, MS_PRIVATE = 1 << 14, 1 << 18
MOVE_MOUNT, FSOPEN, FSCONFIG, FSMOUNT, MOUNT_SETATTR = 429, 430, 431, 432, 442
SET_STRING, CREATE, RDONLY, EMPTY_PATH = 1, 6, 1, 0x1000
AT_FDCWD, FROM_EMPTY_PATH, TO_SYMLINKS = -100, 4, 0x10


def system(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def separate(folder: str) -> None:
    """Go where nothing that is mounted can be seen from elsewhere, with a tmpfs on the folder."""
    system(LIBC.unshare(CLONE_NEWNS))
    system(LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
    system(LIBC.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, b"mode=0755"))


def mount(path: str, read_only: bool) -> None:
    """Mount a tmpfs that holds a directory and a file; never on the root."""
    not_the_root(path)
    if not os.path.isdir(path):  # mount(2) says so; move_mount(2) has another word for it
        raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    tmpfs = call(FSOPEN, b"tmpfs", 0)
    call(FSCONFIG, tmpfs, SET_STRING, b"mode", b"0755", 0)
    call(FSCONFIG, tmpfs, CREATE, None, None, 0)
    fd = call(FSMOUNT, tmpfs, 0, 0)
    os.mkdir("a", 0o755, dir_fd=fd)
    with open("b", "w", opener=lambda name, flags: os.open(name, flags, 0o644, dir_fd=fd)) as file:
        file.write("x")
    attributes = (ctypes.c_uint64 * 4)(RDONLY if read_only else 0)
    call(MOUNT_SETATTR, fd, b"", EMPTY_PATH, attributes, ctypes.sizeof(attributes))
    try:
        call(MOVE_MOUNT, fd, b"", AT_FDCWD, os.fsencode(path), FROM_EMPTY_PATH | TO_SYMLINKS)
    finally:
        os.close(fd)
        os.close(tmpfs)


def call(number: int, *arguments: object) -> int:
    """A system call that the C library may not know; numbers are those of all architectures."""
    result: int = LIBC.syscall(number, *arguments)
    system(min(result, 0))
    return result


def unmount(path: str) -> None:
    not_the_root(path)
    system(LIBC.umount2(os.fsencode(path), 0))


def not_the_root(path: str) -> None:
    if os.path.samestat(os.stat(path), os.stat("/")):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))


OPERATIONS: dict[str, Callable[..., Any]] = {
    "clear": clear,
    "tree": tree,
    "open": write,
    "mkdir": os.mkdir,
    "rmdir": os.rmdir,
    "unlink": os.unlink,
    "symlink": os.symlink,
    "link": lambda source, path: os.link(source, path, follow_symlinks=False),
    "rename": os.rename,
    "chmod": os.chmod,
    "chown": os.chown,
    "truncate": os.truncate,
    "readlink": os.readlink,
    "lstat": lambda path: stat.S_IFMT(os.lstat(path).st_mode),
    "stat": lambda path: stat.S_IFMT(os.stat(path).st_mode),
    "mount": mount,
    "unmount": unmount,
    "listdir": lambda path: sorted(os.listdir(path)),
    "chdir": os.chdir,
}


def answer(operation: str, *arguments: Any) -> dict[str, Any]:
    try:
        return {"value": OPERATIONS[operation](*arguments)}
    except OSError as error:
        return {"errno": error.errno}


def answers(line: str) -> None:
    sys.stdout.write(json.dumps([answer(*operation) for operation in json.loads(line)]) + "\n")
    sys.stdout.flush()


def elsewhere(folder: str, line: str) -> None:
    """Answer in a process of its own."""
    child = os.fork()
    if child == 0:
        try:
            separate(folder)
            confine(folder)
            answers(line)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def main() -> None:
    mounts = sys.argv[2:] == ["mounts"]
    if not mounts:
        confine(sys.argv[1])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        if mounts:
            elsewhere(sys.argv[1], line)
        else:
            answers(line)


if __name__ == "__main__":
    main()
