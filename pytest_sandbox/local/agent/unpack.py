"""Tar streams as directories, without ever following a link below the directory."""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from pytest_sandbox._shared.directories import make_directories
from pytest_sandbox._shared.tar.disk_target import DiskTarget
from pytest_sandbox._shared.tar.member import MemberKind, TarError
from pytest_sandbox._shared.tar.reader import Reader
from pytest_sandbox._shared.tar.unpack import unpack as unpack_tar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_sandbox._shared.tar.member import Member

_CHUNK = 256 * 1024
_TYPES = {
    MemberKind.FIFO: stat.S_IFIFO,
    MemberKind.CHARACTER_DEVICE: stat.S_IFCHR,
    MemberKind.BLOCK_DEVICE: stat.S_IFBLK,
}


def unpack(path: str, fd: int) -> None:
    """Write what the tar at `fd` holds below a directory, which is made if need be.

    Raises:
        OSError: among them `EINVAL` for what is no tar, or has names that lead elsewhere.
    """
    made = make_directories(path)
    # Modes are as the tar has them. This process ends with the job, so nothing else is affected.
    os.umask(0)
    target = _SandboxTarget(path, made=made)
    with os.fdopen(fd, "rb", buffering=_CHUNK) as source:
        try:
            unpack_tar(Reader(source.read), target)
        except TarError as error:
            raise OSError(errno.EINVAL, f"not a whole tar stream: {error}", path) from error
        while source.read(_CHUNK):
            pass  # padding; the writer may not find the pipe broken


class _SandboxTarget(DiskTarget):
    """A directory of the sandbox: members get their owners, and devices are made."""

    directory_mode = 0o755

    def special(self, name: str, member: Member) -> None:
        """Make a device, if the kernel lets us, or a pipe."""
        device = os.makedev(*member.device)
        with self.replacing(name) as part:
            os.mknod(part, _TYPES[member.kind] | member.mode, device, dir_fd=self.folder)
            self.link_attributes(part, member)

    def attributes(self, fd: int, member: Member) -> None:
        """Set the owner, then the mode, which a change of owner clears in part, then the time."""
        with _unknown_owners():
            os.fchown(fd, member.uid, member.gid)
        os.fchmod(fd, member.mode)
        os.utime(fd, ns=(member.mtime_ns, member.mtime_ns))

    def link_attributes(self, name: str, member: Member) -> None:
        """Set the owner and the time."""
        with _unknown_owners():
            os.chown(name, member.uid, member.gid, dir_fd=self.folder, follow_symlinks=False)
        super().link_attributes(name, member)


@contextlib.contextmanager
def _unknown_owners() -> Iterator[None]:
    """Leave to root what has an owner without an id in this sandbox."""
    try:
        yield
    except OSError as error:
        # EINVAL for an id without a mapping, user_namespaces(7); EPERM without CAP_CHOWN.
        if error.errno not in (errno.EINVAL, errno.EPERM):
            raise
