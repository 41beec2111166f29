"""Steps with files that are open."""

import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, consumes, multiple, rule

from pytest_sandbox.engine import OpenFile

from ._base import Opened, Steps
from ._draws import DATA, FLAGS, PATHS, ROOT
from ._subject import Subject

if TYPE_CHECKING:
    from ._model import ModelFile


class OpenSteps(Steps):
    """Files that stay open whatever happens to their names, until their sandbox ends."""

    opened: Bundle[Opened] = Bundle("opened")

    @rule(target=opened, path=PATHS, flags=FLAGS)
    def open(self, path: str, flags: int) -> Any:
        """Open a file, and leave it open whatever happens to its name."""
        kept: list[OpenFile] = []

        async def ask(subject: Subject) -> bool:
            kept.append(await subject.task.files.open(path, flags))
            return True

        files: list[ModelFile] = []

        def expected() -> bool:
            files.append(self.model.open(path, flags))
            return True

        self.agree(expected, ask)
        if not files:
            return multiple()
        inside = any(node is files[0] for _, node in self.model.below(ROOT))
        mount = self.model.directory(ROOT) if inside else None
        held = Opened(self.world, files[0], flags, kept, mount)
        self.world.opened.append(held)
        return held

    @rule(held=opened, offset=st.integers(0, 20), size=st.integers(1, 20))
    def pread(self, held: Opened, offset: int, size: int) -> None:
        """Read from an open file."""
        self._ask(
            held,
            lambda: bytes(held.file.data[offset : offset + size]) if held.reads else "EBADF",
            lambda handle: handle.pread(offset, size),
        )

    @rule(held=opened, offset=st.integers(0, 20), data=DATA)
    def pwrite(self, held: Opened, offset: int, data: bytes) -> None:
        """Write to an open file, which goes to its end if it is open for appending."""

        def expected() -> str | None:
            if not held.writes:
                return "EBADF"
            held.file.write(len(held.file.data) if held.flags & os.O_APPEND else offset, data)
            return None

        self._ask(held, expected, lambda handle: handle.pwrite(offset, data))

    @rule(held=opened, size=st.integers(0, 20))
    def truncate(self, held: Opened, size: int) -> None:
        """Cut or extend an open file; `ftruncate(2)` says EINVAL where it is not for writing."""
        self._ask(
            held,
            lambda: held.file.resize(size) if held.writes else "EINVAL",
            lambda handle: handle.truncate(size),
        )

    @rule(held=opened)
    def size(self, held: Opened) -> None:
        """The size of an open file."""
        self._ask(held, lambda: len(held.file.data), lambda handle: handle.size())

    @rule(held=consumes(opened))
    def close(self, held: Opened) -> None:
        """Close a file, twice."""
        held.world.opened.remove(held)
        for _ in range(2):
            self.each(held.world, held.handles, lambda: None, lambda handle: handle.close())

    def _ask(
        self,
        held: Opened,
        expected: Callable[[], object],
        ask: Callable[[OpenFile], Awaitable[object]],
    ) -> None:
        """Use a file; whatever could be done with it, it cannot after the end of its sandbox."""
        right = expected if held.world.alive else lambda: "TaskEnded"
        self.each(held.world, held.handles, right, ask)
