"""A program that does file operations on the real kernel, below a folder it cannot leave.

It changes its root to the folder it is given, then reads a list of operations a line as JSON and
answers with a list a line: `{"errno": 2}` or `{"value": ...}` for each. Operation `tree`
describes everything below the root.
"""

import base64
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
    "listdir": lambda path: sorted(os.listdir(path)),
    "chdir": os.chdir,
}


def answer(operation: str, *arguments: Any) -> dict[str, Any]:
    try:
        return {"value": OPERATIONS[operation](*arguments)}
    except OSError as error:
        return {"errno": error.errno}


def main() -> None:
    confine(sys.argv[1])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        sys.stdout.write(json.dumps([answer(*operation) for operation in json.loads(line)]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
