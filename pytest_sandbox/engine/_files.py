"""The file operations of a task."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator

from ._entry import Entry, WatchEvent


class OpenFile(ABC):
    """A regular file inside a task, open, addressed by byte offset like `pread(2)`.

    After `close`, calls raise `OSError` with `EBADF`; after the end of the task, `TaskEnded`.
    """

    @abstractmethod
    async def pread(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes at `offset`; empty at the end of the file."""

    @abstractmethod
    async def pwrite(self, offset: int, data: bytes) -> None:
        """Write all of `data` at `offset`, or at the end if the file is open for appending."""

    @abstractmethod
    async def size(self) -> int:
        """Bytes in the file now."""

    @abstractmethod
    async def truncate(self, size: int) -> None:
        """Cut or extend the file to `size` bytes."""

    @abstractmethod
    async def close(self) -> None:
        """Release the file; a second close does nothing."""


class Files(ABC):
    """File operations inside a task, done from inside, as its root user.

    Paths are absolute; one that is not, or holds a NUL, is `EINVAL`. Names that are not UTF-8 are
    text with `surrogateescape`. Failures raise `OSError` with the kernel's errno and the path;
    after the end of the task everything raises `TaskEnded`.
    """

    @abstractmethod
    async def open(self, path: str, flags: int, mode: int = 0o666) -> OpenFile:
        """Open a regular file; `flags` as `open(2)` has them (`os.O_RDWR | os.O_CREAT`, ...)."""

    @abstractmethod
    async def stat(self, path: str, *, follow: bool = False) -> Entry:
        """Describe a path; the target of a symbolic link if `follow`."""

    @abstractmethod
    async def listdir(self, path: str) -> list[Entry]:
        """Describe what a directory holds, sorted by name; a link to a directory is followed."""

    @abstractmethod
    async def mkdir(self, path: str, *, parents: bool = False) -> None:
        """Make a directory; with `parents` also those above it, and an existing one is fine."""

    @abstractmethod
    async def remove(self, path: str, *, recursive: bool = False) -> None:
        """Remove a file, a link (never its target), or a directory: empty, unless `recursive`.

        The root cannot be removed, nor what is in it by that: `EBUSY`.
        """

    @abstractmethod
    async def replace(self, source: str, target: str) -> None:
        """Give a file another name at once, `rename(2)`, in place of a file or link of that name.

        If that is a regular file, its permissions and owner become those of the new one. Both
        paths have to be on one filesystem. No symbolic link at their ends is followed.
        """

    @abstractmethod
    def watch(self, path: str, *, recursive: bool = False) -> AsyncIterator[WatchEvent]:
        """Changes to a file or below a directory, from the moment of the first `anext`.

        The watch is established when the first `anext` suspends, and ends with `aclose`.
        """

    @abstractmethod
    def pack(self, path: str, *, file: bool = False) -> AsyncIterator[bytes]:
        """A directory's contents as a tar stream: with links, modes, times and holes.

        Of `/`, the directories `/proc`, `/sys` and `/dev` are there, and nothing that is in them.

        Args:
            path: of the directory.
            file: it is that of a file instead, which is the one member, by its own name.
        """

    @abstractmethod
    async def unpack(self, path: str, stream: AsyncIterator[bytes]) -> None:
        """Write the contents of a tar stream below a directory, which is created if needed.

        Directories that exist keep their mode and owner, and the tar sets no time on them.
        Nothing is written elsewhere, whatever names and links are in the stream. A stream that is
        no tar, or ends early, is `EINVAL`; an error that `stream` raises reaches the caller.
        """
