"""Steps that name files."""

import os
import posixpath
from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from ._base import Steps, described_node
from ._draws import DATA, FLAGS, PATHS, QUESTIONS, TARGETS
from ._model import ModelFile, ModelNode, outcome
from ._subject import Subject, described, rights


class FileSteps(Steps):
    """Files made, changed, moved, linked, removed and asked for by their paths."""

    @rule(path=PATHS, flags=FLAGS, data=DATA, cut=st.none() | st.integers(0, 8))
    def write(self, path: str, flags: int, data: bytes, cut: int | None) -> None:
        """Open, write a little at the beginning or the end, maybe cut or extend it, close."""
        writes = flags & os.O_ACCMODE != os.O_RDONLY

        def expected() -> None:
            file = self.model.open(path, flags)
            if writes:
                file.write(len(file.data) if flags & os.O_APPEND else 0, data)
            if writes and cut is not None:
                file.resize(cut)

        async def ask(subject: Subject) -> None:
            file = await subject.task.files.open(path, flags)
            if writes:
                await file.pwrite(0, data)
            if writes and cut is not None:
                await file.truncate(cut)
            await file.close()

        self.agree(expected, ask)

    @rule(path=QUESTIONS)
    def read(self, path: str) -> None:
        """A file's content, by the engine and by a program."""
        self.agree(
            lambda: bytes(self.model.open(path, os.O_RDONLY).data),
            lambda subject: subject.read(path),
        )
        self.agree(
            lambda: isinstance(outcome(lambda: self.model.open(path, os.O_RDONLY)), ModelFile),
            lambda subject: subject.succeeds("cat", "--", path),
        )

    @rule(path=PATHS, parents=st.booleans())
    def mkdir(self, path: str, parents: bool) -> None:
        """Make a directory."""
        self.agree(
            lambda: self.model.mkdir(path, parents=parents),
            lambda subject: subject.task.files.mkdir(path, parents=parents),
        )

    @rule(path=PATHS, recursive=st.booleans())
    def remove(self, path: str, recursive: bool) -> None:
        """Remove something."""
        self.agree(
            lambda: self.model.remove(path, recursive=recursive),
            lambda subject: subject.task.files.remove(path, recursive=recursive),
        )

    @rule(path=PATHS, to=PATHS)
    def move(self, path: str, to: str) -> None:
        """Rename with `mv`."""
        self.agree(
            lambda: _succeeds(lambda: self.model.move(path, to)),
            lambda subject: subject.succeeds("mv", "-f", path, to),
        )

    # Overlayfs makes a file of its own of each name of a file from an image that is written to.
    @precondition(lambda self: not self.images_too)
    @rule(path=PATHS, to=PATHS)
    def link(self, path: str, to: str) -> None:
        """Make a hard link with `ln`."""
        self.agree(
            lambda: _succeeds(lambda: self.model.link(path, to)),
            lambda subject: subject.succeeds("ln", path, to),
        )

    @rule(path=PATHS, to=TARGETS)
    def symlink(self, path: str, to: str) -> None:
        """Make a symbolic link with `ln -sn`."""
        self.agree(
            lambda: _succeeds(lambda: self.model.symlink(to, path)),
            lambda subject: subject.succeeds("ln", "-sn", "--", to, path),
        )

    @rule(path=QUESTIONS, follow=st.booleans())
    def stat(self, path: str, follow: bool) -> None:
        """Describe something."""

        async def ask(subject: Subject) -> object:
            entry = await subject.entry(path, follow=follow)
            assert entry.path == path
            return described(entry)

        known = self.agree(lambda: described_node(self.model.node(path, follow=follow)), ask)
        if not isinstance(known, str):
            said = [self.run(s.entry(path, follow=follow)) for s in self.world.subjects]
            assert len({rights(entry) for entry in said}) == 1, said

    @rule(path=QUESTIONS)
    def listdir(self, path: str) -> None:
        """List a directory."""

        async def ask(subject: Subject) -> object:
            entries = await subject.task.files.listdir(path)
            return [(entry.name, described(entry)) for entry in entries]

        self.agree(lambda: [(name, described_node(node)) for name, node in self._listed(path)], ask)

    @rule(path=PATHS, to=PATHS)
    def copy(self, path: str, to: str) -> None:
        """Pack a directory and unpack it where nothing is."""
        above = posixpath.dirname(to)
        free = isinstance(outcome(lambda: self.model.node(to, follow=False)), str)
        if free and self.model.is_directory(path) and self.model.is_directory(above):
            self.agree(
                lambda: self.model.copy(path, to),
                lambda subject: subject.copy(path, to),
            )

    @rule()
    def everything_is_there(self) -> None:
        """The whole tree, with what files hold."""
        self.compare(self.world)

    def _listed(self, path: str) -> list[tuple[str, ModelNode]]:
        return sorted(self.model.directory(path).names.items())


def _succeeds(work: Callable[[], None]) -> bool:
    return outcome(work) is None
