"""What a member of a tar is besides its contents, for a file of an unpacked layer."""

from __future__ import annotations

import contextlib
import errno
import os

from pytest_sandbox._shared.tar.member import TarError

from ...kernel import overlayfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_sandbox._shared.tar.member import Member

_CAPABILITY = "security.capability"
#: Bytes of a name: XATTR_NAME_MAX in include/uapi/linux/limits.h.
_LONGEST_NAME = 255
#: Versions in the first number of the attribute, and its bytes: `struct vfs_cap_data` in
#: include/uapi/linux/capability.h. The third one ends with the root that may use it.
_VERSION, _SECOND, _THIRD = 3, 2, 3
_SECOND_SIZE = 20


class Owners:
    """Which owners the files of a layer can have.

    Args:
        count: how many ids there are; if it is one, that has all files, as in other engines that
            run without privileges.
    """

    def __init__(self, count: int) -> None:
        self._count = count

    def give(self, target: int | str, member: Member, folder: int | None = None) -> None:
        """Give a file to its owner.

        Args:
            target: a descriptor, or a name in `folder`, which may be that of a link.
            member: says which.
            folder: a directory.

        Raises:
            TarError: there is no such owner.
        """
        if self._count == 1:
            return
        if max(member.uid, member.gid) >= self._count:
            raise TarError(
                f"it belongs to {member.uid}:{member.gid}, and ids go up to {self._count - 1}"
            )
        follow = isinstance(target, int)
        os.chown(target, member.uid, member.gid, dir_fd=folder, follow_symlinks=follow)


def apply(fd: int, member: Member, owners: Owners) -> None:
    """Give an open file or directory its owner, mode, extended attributes and time."""
    # In this order: a change of owner clears set-user-ID bits and capabilities, chown(2).
    owners.give(fd, member)
    os.fchmod(fd, member.mode)
    for name, value in _kept(member):
        with _unknown_attributes():
            os.setxattr(fd, name, value)
    os.utime(fd, ns=(member.mtime_ns, member.mtime_ns))


def _kept(member: Member) -> Iterator[tuple[str, bytes]]:
    """Extended attributes that mean in a sandbox what they meant where the layer was made.

    Labels of security modules do not, nor does what the kernel notes for itself.
    """
    for name, value in member.extended.items():
        if name == _CAPABILITY:
            if capability := _for_root_of_sandbox(value):
                yield name, capability
        elif "\0" in name or len(os.fsencode(name)) > _LONGEST_NAME:
            continue  # which no file can have
        elif name.startswith("user.") and not name.startswith(overlayfs.PRIVATE_ATTRIBUTES):
            yield name, value


def _for_root_of_sandbox(value: bytes) -> bytes | None:
    """File capabilities in the version that is for the root of the namespace which sets them."""
    if len(value) < _SECOND_SIZE or value[_VERSION] not in (_SECOND, _THIRD):
        return None
    return value[:_VERSION] + bytes([_SECOND]) + value[_VERSION + 1 : _SECOND_SIZE]


@contextlib.contextmanager
def _unknown_attributes() -> Iterator[None]:
    """Do without an attribute that the file system cannot store."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
