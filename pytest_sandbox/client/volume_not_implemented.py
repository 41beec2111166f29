"""Methods of Modal's volumes that work without a sandbox and are not implemented here."""

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
        """Refused, as it is not implemented yet."""
        raise _not_implemented("iterdir")
        yield

    @dual
    async def listdir(self, path: str, *, recursive: bool = False) -> NoReturn:
        """Refused, as it is not implemented yet."""
        raise _not_implemented("listdir")

    @dual_iterator
    async def read_file(self, path: str) -> AsyncGenerator[NoReturn, None]:
        """Refused, as it is not implemented yet."""
        raise _not_implemented("read_file")
        yield

    @dual
    async def read_file_into_fileobj(
        self, path: str, fileobj: IO[bytes], progress_cb: Callable[..., object] | None = None
    ) -> NoReturn:
        """Refused, as it is not implemented yet."""
        raise _not_implemented("read_file_into_fileobj")

    @dual
    async def remove_file(self, path: str, recursive: bool = False) -> NoReturn:
        """Refused, as it is not implemented yet."""
        raise _not_implemented("remove_file")

    @dual
    async def copy_files(
        self, src_paths: Sequence[str], dst_path: str, recursive: bool = False
    ) -> NoReturn:
        """Refused, as it is not implemented yet."""
        raise _not_implemented("copy_files")

    @dual
    async def batch_upload(self, force: bool = False) -> NoReturn:
        """Refused, as it is not implemented yet."""
        raise _not_implemented("batch_upload")


def _not_implemented(name: str) -> UnimplementedError:
    return UnimplementedError(
        f"Volume.{name}() is not implemented yet in pytest-sandbox: mount the volume in a "
        "sandbox, and use the files of the sandbox"
    )
