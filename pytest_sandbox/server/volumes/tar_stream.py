"""Files for a volume as a tar, which the sandbox unpacks: it follows no link and sets modes."""

from collections.abc import AsyncIterator, Callable, Iterable

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox._shared.tar.header import padding
from pytest_sandbox._shared.tar.member import Member, MemberKind
from pytest_sandbox._shared.tar.writer import END, write


@dataclass(frozen=True)
class NewFile:
    """A file, a directory or a symbolic link to be written.

    Attributes:
        path: relative to the root of the volume.
        mode: permission bits.
        size: bytes of its content.
        content: gives these; `None` for a directory, or a link.
        target: where it leads, if it is a link.
        uid: its owner.
        gid: its group.
    """

    path: str
    mode: int
    size: int = 0
    content: Callable[[], AsyncIterator[bytes]] | None = None
    uid: int = 0
    gid: int = 0
    target: str = ""


async def tar_stream(files: Iterable[NewFile], now: float) -> AsyncIterator[bytes]:
    """The tar.

    Args:
        files: those in it.
        now: their time, in seconds since the Unix epoch.
    """
    for file in files:
        kind = MemberKind.DIRECTORY if file.content is None else MemberKind.FILE
        kind = MemberKind.SYMLINK if file.target else kind
        member = Member(
            file.path,
            kind,
            mode=file.mode & 0o7777,
            uid=file.uid,
            gid=file.gid,
            mtime_ns=int(now * 10**9),
            target=file.target,
        )
        if file.content is not None:
            member.size = file.size
            member.extents = [(0, file.size)] if file.size else []
        for data in write(member):
            yield data
        if file.content is not None:
            async for data in exactly(file.size, file.content()):
                yield data
            yield bytes(padding(file.size))
    yield END


async def exactly(size: int, content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """As many bytes as were promised, though the file may become longer or shorter meanwhile."""
    left = size
    async for data in content:
        part = data[:left]
        left -= len(part)
        if part:
            yield part
        if not left:
            return
    while left:
        zeros = bytes(min(left, 1024 * 1024))
        left -= len(zeros)
        yield zeros
