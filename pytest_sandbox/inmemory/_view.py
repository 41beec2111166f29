"""The files of a sandbox, for a test to prepare and look at without making calls."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from pytest_sandbox.client.transport import portal

if TYPE_CHECKING:
    from pytest_sandbox.fakes import FileView

__tracebackhide__ = True  # a failing test shows its own lines, not these

T = TypeVar("T")


def on_loop(work: Callable[[], T]) -> T:
    """Call a function where the engine lives, while nothing else runs there."""

    async def call() -> T:
        return work()

    try:
        return portal().run(call)
    except OSError as error:  # a file is not there: where the engine found out does not help
        raise error.with_traceback(None) from None


class FakeSandboxFiles:
    """The files of one sandbox in memory; no call is made or recorded.

    Args:
        view: of the engine.
    """

    def __init__(self, view: "FileView") -> None:
        self._view = view

    def read_bytes(self, path: str) -> bytes:
        """The content of a file; `OSError` as the kernel has it."""
        return on_loop(lambda: self._view.read_bytes(path))

    def read_text(self, path: str) -> str:
        """The content of a file, which is UTF-8."""
        return on_loop(lambda: self._view.read_text(path))

    def write(self, path: str, data: str | bytes, mode: int = 0o644) -> None:
        """Make or replace a file; folders above are made."""
        on_loop(lambda: self._view.write(path, data, mode))

    def exists(self, path: str) -> bool:
        """Whether there is something; a broken link is nothing."""
        return on_loop(lambda: self._view.exists(path))

    def listdir(self, path: str = ".") -> list[str]:
        """The names in a folder, sorted."""
        return on_loop(lambda: self._view.listdir(path))

    def remove(self, path: str) -> None:
        """Remove a file."""
        on_loop(lambda: self._view.remove(path))
