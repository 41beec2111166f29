"""What Modal's volumes can do without a sandbox and these cannot: refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from .exceptions import UnimplementedError
from .transport.dual import dual, dual_iterator

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from typing import IO

__tracebackhide__ = True  # a failing test shows the caller's line, not these


class UnimplementedVolumeMethods:
    """Methods of a volume that raise `UnimplementedError`."""

    @dual_iterator
    async def iterdir(self, path: str, *, recursive: bool = True) -> AsyncGenerator[NoReturn, None]:
        """Refused, as it is not built yet."""
        raise _unbuilt("iterdir")
        yield

    @dual
    async def listdir(self, path: str, *, recursive: bool = False) -> NoReturn:
        """Refused, as it is not built yet."""
        raise _unbuilt("listdir")

    @dual_iterator
    async def read_file(self, path: str) -> AsyncGenerator[NoReturn, None]:
        """Refused, as it is not built yet."""
        raise _unbuilt("read_file")
        yield

    @dual
    async def read_file_into_fileobj(
        self, path: str, fileobj: IO[bytes], progress_cb: Callable[..., object] | None = None
    ) -> NoReturn:
        """Refused, as it is not built yet."""
        raise _unbuilt("read_file_into_fileobj")

    @dual
    async def remove_file(self, path: str, recursive: bool = False) -> NoReturn:
        """Refused, as it is not built yet."""
        raise _unbuilt("remove_file")

    @dual
    async def copy_files(
        self, src_paths: Sequence[str], dst_path: str, recursive: bool = False
    ) -> NoReturn:
        """Refused, as it is not built yet."""
        raise _unbuilt("copy_files")

    @dual
    async def batch_upload(self, force: bool = False) -> NoReturn:
        """Refused, as it is not built yet."""
        raise _unbuilt("batch_upload")


def _unbuilt(name: str) -> UnimplementedError:
    return UnimplementedError(
        f"Volume.{name}() is not built yet in pytest-sandbox: mount the volume in a sandbox, and "
        "use that one's files"
    )
