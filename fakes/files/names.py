"""Names of users and groups, as the files in `/etc` of a sandbox give them."""

from .inode import Regular
from .vfs import Filesystem


def user_name(fs: Filesystem, uid: int) -> str:
    """The name of a user, else the number as text."""
    return _name(fs, "/etc/passwd", uid)


def group_name(fs: Filesystem, gid: int) -> str:
    """The name of a group, else the number as text."""
    return _name(fs, "/etc/group", gid)


def _name(fs: Filesystem, path: str, number: int) -> str:
    try:
        inode = fs.lookup(path)
    except OSError:
        return str(number)
    if isinstance(inode, Regular):
        text = inode.content.read(0, 1 << 20).decode(errors="surrogateescape")
        for line in text.splitlines():
            fields = line.split(":")
            if len(fields) > 2 and fields[2] == str(number):
                return fields[0]
    return str(number)
