"""Moving a name over another, with the checks of the kernel in its order; see its fs/namei.c."""

import errno

from pytest_sandbox._shared.lazy_dataclass import dataclass

from .changes import Spot
from .disk import Disk
from .inode import Device, Directory, Inode
from .mounts import Mounts, Node
from .walk import LastComponent, Walk, fail

RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2


@dataclass(frozen=True)
class _End:
    """One of the two names.

    Attributes:
        place: where it is.
        spot: the same, on its disk.
        inode: what has it now.
        covered: whether something is mounted there.
    """

    place: LastComponent
    spot: Spot
    inode: Inode | None
    covered: bool


def rename(mounts: Mounts, old: str, new: str, base: Node, flags: int) -> None:
    """Move a name; `renameat2(2)`."""
    old_walk, new_walk = Walk(mounts, old, base), Walk(mounts, new, base)
    old_place, new_place = old_walk.parent(), new_walk.parent()
    mount = mounts.of(old_place.directory)
    if mount is not mounts.of(new_place.directory):
        fail(errno.EXDEV, old, new)
    if old_place.special:
        fail(errno.EBUSY, old, new)
    if new_place.special:
        fail(errno.EEXIST if flags & RENAME_NOREPLACE else errno.EBUSY, old, new)
    if mount.read_only:
        fail(errno.EROFS, old, new)
    source = _end(mounts, old_walk, old_place)
    if source.inode is None:
        fail(errno.ENOENT, old, new)
    target = _end(mounts, new_walk, new_place)
    if target.inode is None and flags & RENAME_EXCHANGE:
        fail(errno.ENOENT, old, new)
    if target.inode is not None and flags & RENAME_NOREPLACE:
        fail(errno.EEXIST, old, new)
    number = _error(mount.disk, source, target, exchange=bool(flags & RENAME_EXCHANGE))
    if number:
        fail(number, old, new)
    if source.inode is not target.inode:
        _move(mount.disk, source, target, exchange=bool(flags & RENAME_EXCHANGE))


def _end(mounts: Mounts, walk: Walk, place: LastComponent) -> _End:
    node = walk.entry(place.directory, place.name)
    spot = (mounts.directory(place.directory).number, place.name)
    if node is None:
        return _End(place, spot, None, covered=False)
    inode = mounts.get(node)
    # On the local engine each device is a mount of one of this machine's.
    return _End(place, spot, inode, covered=mounts.is_covered(node) or isinstance(inode, Device))


def _error(disk: Disk, source: _End, target: _End, *, exchange: bool) -> int:
    """Why it cannot be, or 0."""
    directory = isinstance(source.inode, Directory)
    if not directory and (source.place.slash or (target.place.slash and not exchange)):
        return errno.ENOTDIR
    assert source.inode is not None
    if disk.is_above(source.inode, target.spot[0]):
        return errno.EINVAL
    if target.inode is None:
        alive = disk.directory(target.spot[0]).links
        return errno.ENOENT if not alive else errno.EBUSY if source.covered else 0
    if disk.is_above(target.inode, source.spot[0]):
        return errno.EINVAL if exchange else errno.ENOTEMPTY
    if target.inode is source.inode:
        return 0
    if not exchange and directory != isinstance(target.inode, Directory):
        return errno.ENOTDIR if directory else errno.EISDIR
    if source.covered or target.covered:
        return errno.EBUSY
    full = isinstance(target.inode, Directory) and target.inode.names
    return errno.ENOTEMPTY if full and not exchange else 0


def _move(disk: Disk, source: _End, target: _End, *, exchange: bool) -> None:
    old, new = source.spot, target.spot
    assert source.inode is not None
    if exchange:
        assert target.inode is not None
        disk.leave(old, source.inode)
        disk.leave(new, target.inode)
        disk.enter(new, source.inode)
        disk.enter(old, target.inode)
        disk.moved(source.inode, old, new)
        disk.moved(target.inode, new, old)
        return
    if target.inode is not None:
        disk.unlink(new, target.inode, quiet=True)
    disk.leave(old, source.inode)
    disk.enter(new, source.inode)
    disk.moved(source.inode, old, new)
