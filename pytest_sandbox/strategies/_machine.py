"""A machine that drives engines and a model through the same steps, and compares the answers."""

import os
import posixpath
import signal
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hypothesis import settings as Settings  # noqa: N812 - a class in all but its name
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pytest_sandbox.engine import Engine, EntryKind, ExitStatus, OpenFile, Process, Task, TaskSpec

from ._commands import words
from ._model import Directory, File, Model, Node, Symlink, outcome
from ._paths import names
from ._streams import streams
from ._subject import Done, Subject, answer, content, described, exactly, rights
from ._trees import Tree, file_trees

T = TypeVar("T")
#: Runs a coroutine to its end, on the loop that the engines were started on.
Run = Callable[[Coroutine[Any, Any, Any]], Any]
#: Makes a further sandbox of the files of one, as they are now.
Fork = Callable[[Task], Coroutine[Any, Any, Task]]
#: Further sandboxes of one example.
_MOST_FORKS = 3

#: Where everything happens. Nothing leads further up than one step.
ROOT = "/srv/outer/inner"

_USUAL = st.sampled_from(["a", "b", "c", "d"])
_NAMES = st.one_of(_USUAL, _USUAL, _USUAL, _USUAL, names(), st.just("x" * 256))
_DOTTED = st.sampled_from([".", "", "a", "b"])


def _below(*parts: str) -> str:
    return "/".join([ROOT, *parts])


#: A path that leads somewhere, at the moment.
_THERE: st.SearchStrategy[str] = st.runner().flatmap(
    lambda machine: st.sampled_from(machine.paths())
)
#: A name in a directory that is there.
_IN: st.SearchStrategy[str] = st.builds(
    posixpath.join, st.runner().flatmap(lambda machine: st.sampled_from(machine.folders())), _NAMES
)
_ANY = st.lists(_NAMES, min_size=1, max_size=3).map(lambda parts: _below(*parts))
#: Paths for what changes something: names only.
PATHS = st.one_of(_THERE, _IN, _ANY)
#: Paths for questions: also with dots, two slashes, a slash at the end, and one step up.
QUESTIONS = st.one_of(
    PATHS,
    st.builds(posixpath.join, _THERE, _DOTTED),
    st.builds(
        lambda parts: _below("..", "inner", *parts),
        st.lists(_USUAL | _DOTTED, min_size=1, max_size=3),
    ),
)
TARGETS = st.one_of(_USUAL, st.builds(posixpath.join, _USUAL, _USUAL), PATHS, st.just("."))
DATA = st.binary(min_size=1, max_size=12)
FLAGS = st.builds(
    lambda access, more: access | sum(more),
    st.sampled_from([os.O_WRONLY, os.O_RDWR]),
    st.sets(st.sampled_from([os.O_CREAT, os.O_EXCL, os.O_TRUNC, os.O_APPEND, os.O_NOFOLLOW])),
) | st.sampled_from([os.O_RDONLY, os.O_RDONLY | os.O_NOFOLLOW, os.O_RDONLY | os.O_CREAT])


@dataclass
class Opened:
    """A file that is open, in the model and in each sandbox."""

    file: File
    flags: int
    handles: list[OpenFile]

    @property
    def reads(self) -> bool:
        return self.flags & os.O_ACCMODE != os.O_WRONLY

    @property
    def writes(self) -> bool:
        return self.flags & os.O_ACCMODE != os.O_RDONLY


@dataclass
class Cat:
    """A `cat` that runs in each sandbox, and what it was given."""

    processes: list[Process]
    given: bytes = b""
    ended: ExitStatus | None = field(default=None)


class SandboxMachine(RuleBasedStateMachine):
    """Steps of files and processes, in one fresh sandbox of each engine.

    Every engine has to answer what the model says, with the same errno where there is one. What
    the model does not know, modes and owners, all engines have to say alike.

    Args:
        engines: name to engine, started.
        run: runs a coroutine on the loop that they were started on.
        forks: how engines that can make a further sandbox of the files of one do so.
    """

    opened: Bundle[Opened] = Bundle("opened")
    cats: Bundle[Cat] = Bundle("cats")

    def __init__(
        self, engines: Mapping[str, Engine], run: Run, forks: Mapping[str, Fork] | None = None
    ) -> None:
        super().__init__()
        self._run = run
        self._forks = forks or {}
        self._forked: list[tuple[list[Subject], Model]] = []
        self._model = Model(ROOT)
        self._subjects: list[Subject] = []
        for name, engine in engines.items():
            self._subjects.append(Subject(name, run(engine.create(TaskSpec()))))
            run(self._subjects[-1].task.files.mkdir(ROOT, parents=True))

    def teardown(self) -> None:
        """Compare all that is there, and end the sandboxes."""
        every = [(self._subjects, self._model), *self._forked]
        try:
            for subjects, model in every:
                self._compare(subjects, model)
        finally:
            for subject in [subject for subjects, _ in every for subject in subjects]:
                self._run(subject.task.kill())

    def _compare(self, subjects: list[Subject], model: Model) -> None:
        self._agree(
            lambda: _tree(model.directory(ROOT)), lambda subject: subject.tree(ROOT), subjects
        )

    def _agree(
        self,
        expected: Callable[[], object],
        ask: Callable[[Subject], Awaitable[object]],
        subjects: list[Subject] | None = None,
    ) -> object:
        """Do something in the model and in every sandbox; what came of it is the same."""
        right = outcome(expected)
        for subject in subjects or self._subjects:
            seen = self._run(answer(ask(subject)))
            assert seen == right, f"{subject.name} answers {seen!r}, and {right!r} is right"
        return right

    def _each(
        self, items: list[T], expected: Callable[[], object], ask: Callable[[T], Awaitable[object]]
    ) -> None:
        """The same for something that was started in every sandbox."""
        held = dict(zip((subject.name for subject in self._subjects), items, strict=True))
        self._agree(expected, lambda subject: ask(held[subject.name]))

    def paths(self) -> list[str]:
        """Every path that is there."""
        found = [path for path, _ in self._model.below(ROOT)]
        return sorted(found) or [_below("a")]

    def folders(self) -> list[str]:
        """Every directory that is there."""
        below = self._model.below(ROOT)
        return sorted([ROOT, *(path for path, node in below if isinstance(node, Directory))])

    @initialize(tree=file_trees(max_leaves=4))
    def begin(self, tree: Tree) -> None:
        """Begin with some files."""
        self._agree(
            lambda: self._model.plant(ROOT, tree), lambda subject: subject.unpack(ROOT, tree)
        )

    # Files by path

    @rule(path=PATHS, flags=FLAGS, data=DATA, cut=st.none() | st.integers(0, 8))
    def write(self, path: str, flags: int, data: bytes, cut: int | None) -> None:
        """Open, write a little at the beginning or the end, maybe cut or extend it, close."""
        writes = flags & os.O_ACCMODE != os.O_RDONLY

        def expected() -> None:
            file = self._model.open(path, flags)
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

        self._agree(expected, ask)

    @rule(path=QUESTIONS)
    def read(self, path: str) -> None:
        """A file's content, by the engine and by a program."""
        self._agree(
            lambda: bytes(self._model.open(path, os.O_RDONLY).data),
            lambda subject: subject.read(path),
        )
        self._agree(
            lambda: isinstance(outcome(lambda: self._model.open(path, os.O_RDONLY)), File),
            lambda subject: subject.succeeds("cat", "--", path),
        )

    @rule(path=PATHS, parents=st.booleans())
    def mkdir(self, path: str, parents: bool) -> None:
        """Make a directory."""
        self._agree(
            lambda: self._model.mkdir(path, parents=parents),
            lambda subject: subject.task.files.mkdir(path, parents=parents),
        )

    @rule(path=PATHS, recursive=st.booleans())
    def remove(self, path: str, recursive: bool) -> None:
        """Remove something."""
        self._agree(
            lambda: self._model.remove(path, recursive=recursive),
            lambda subject: subject.task.files.remove(path, recursive=recursive),
        )

    @rule(path=PATHS, to=PATHS)
    def move(self, path: str, to: str) -> None:
        """Rename with `mv`."""
        self._agree(
            lambda: _succeeds(lambda: self._model.move(path, to)),
            lambda subject: subject.succeeds("mv", "-f", path, to),
        )

    @rule(path=PATHS, to=PATHS)
    def link(self, path: str, to: str) -> None:
        """Make a hard link with `ln`."""
        self._agree(
            lambda: _succeeds(lambda: self._model.link(path, to)),
            lambda subject: subject.succeeds("ln", path, to),
        )

    @rule(path=PATHS, to=TARGETS)
    def symlink(self, path: str, to: str) -> None:
        """Make a symbolic link with `ln -sn`."""
        self._agree(
            lambda: _succeeds(lambda: self._model.symlink(to, path)),
            lambda subject: subject.succeeds("ln", "-sn", "--", to, path),
        )

    @rule(path=QUESTIONS, follow=st.booleans())
    def stat(self, path: str, follow: bool) -> None:
        """Describe something."""

        async def ask(subject: Subject) -> object:
            entry = await subject.entry(path, follow=follow)
            assert entry.path == path
            return described(entry)

        known = self._agree(lambda: _described(self._model.node(path, follow=follow)), ask)
        if not isinstance(known, str):
            said = [self._run(s.entry(path, follow=follow)) for s in self._subjects]
            assert len({rights(entry) for entry in said}) == 1, said

    @rule(path=QUESTIONS)
    def listdir(self, path: str) -> None:
        """List a directory."""

        async def ask(subject: Subject) -> object:
            entries = await subject.task.files.listdir(path)
            return [(entry.name, described(entry)) for entry in entries]

        self._agree(lambda: [(name, _described(node)) for name, node in self._listed(path)], ask)

    @rule(path=PATHS, to=PATHS)
    def copy(self, path: str, to: str) -> None:
        """Pack a directory and unpack it where nothing is."""
        above = posixpath.dirname(to)
        free = isinstance(outcome(lambda: self._model.node(to, follow=False)), str)
        if free and self._model.is_directory(path) and self._model.is_directory(above):
            self._agree(
                lambda: self._model.copy(path, to),
                lambda subject: subject.copy(path, to),
            )

    @rule()
    def everything_is_there(self) -> None:
        """The whole tree, with what files hold."""
        self._compare(self._subjects, self._model)

    @precondition(lambda self: self.can_fork())
    @rule(name=_NAMES)
    def fork(self, name: str) -> None:
        """Make a further sandbox of the files; from then on neither sees what the other does."""
        forked = [
            Subject(subject.name, self._run(self._forks[subject.name](subject.task)))
            for subject in self._subjects
        ]
        model = deepcopy(self._model)
        self._forked.append((forked, model))
        self._agree(
            lambda: model.remove(_below(name), recursive=True),
            lambda subject: subject.task.files.remove(_below(name), recursive=True),
            forked,
        )

    def can_fork(self) -> bool:
        """Whether every engine can, and there are not too many already."""
        able = all(subject.name in self._forks for subject in self._subjects)
        return able and len(self._forked) < _MOST_FORKS

    # Open files

    @rule(target=opened, path=PATHS, flags=FLAGS)
    def open(self, path: str, flags: int) -> Any:
        """Open a file, and leave it open whatever happens to its name."""
        kept: list[OpenFile] = []

        async def ask(subject: Subject) -> bool:
            kept.append(await subject.task.files.open(path, flags))
            return True

        files: list[File] = []

        def expected() -> bool:
            files.append(self._model.open(path, flags))
            return True

        self._agree(expected, ask)
        return Opened(files[0], flags, kept) if files else multiple()

    @rule(held=opened, offset=st.integers(0, 20), size=st.integers(1, 20))
    def pread(self, held: Opened, offset: int, size: int) -> None:
        """Read from an open file."""
        self._each(
            held.handles,
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

        self._each(held.handles, expected, lambda handle: handle.pwrite(offset, data))

    @rule(held=opened, size=st.integers(0, 20))
    def truncate(self, held: Opened, size: int) -> None:
        """Cut or extend an open file; `ftruncate(2)` says EINVAL where it is not for writing."""
        self._each(
            held.handles,
            lambda: held.file.resize(size) if held.writes else "EINVAL",
            lambda handle: handle.truncate(size),
        )

    @rule(held=opened)
    def size(self, held: Opened) -> None:
        """The size of an open file."""
        self._each(held.handles, lambda: len(held.file.data), lambda handle: handle.size())

    @rule(held=consumes(opened))
    def close(self, held: Opened) -> None:
        """Close a file, twice."""
        for _ in range(2):
            self._each(held.handles, lambda: None, lambda handle: handle.close())

    # Processes

    @rule(out=words(), err=words(), code=st.integers(0, 255))
    def say(self, out: str, err: str, code: int) -> None:
        """A program that prints on both streams and ends with a code."""
        script = 'printf %s "$1"; printf %s "$ERR" >&2; exit "$2"'
        self._agree(
            lambda: Done(code, _encoded(out), _encoded(err)),
            lambda subject: subject.run(
                *("sh", "-c", script, "sh", out, str(code)), env={"ERR": err}
            ),
        )

    @rule(data=streams(), path=PATHS)
    def tee(self, data: tuple[bytes, ...], path: str) -> None:
        """A program that writes its input to a file and to its output."""
        whole = b"".join(data)

        def expected() -> object:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            file = outcome(lambda: self._model.open(path, flags))
            if isinstance(file, File):
                file.write(0, whole)
            return not isinstance(file, File), whole

        async def ask(subject: Subject) -> object:
            done = await subject.run("tee", "--", path, stdin=whole)
            return bool(done.code), done.stdout

        self._agree(expected, ask)

    @rule(path=QUESTIONS)
    def start_in(self, path: str) -> None:
        """Start a program in a directory that may not be there."""

        async def ask(subject: Subject) -> bool:
            process = await subject.start("true", workdir=path)
            return (await process.wait()).code == 0

        self._agree(lambda: bool(self._model.directory(path) or True), ask)

    @rule(path=PATHS)
    def start_what_is_no_program(self, path: str) -> None:
        """Start a file that may not be executed, or that is none."""

        def expected() -> object:
            self._model.node(path)
            return "EACCES"

        self._agree(expected, lambda subject: subject.start(path))

    @rule(target=cats)
    def start_cat(self) -> Cat:
        """Start a program that goes on until its input ends."""
        return Cat([self._run(subject.start("cat")) for subject in self._subjects])

    @rule(cat=cats, chunks=streams(max_chunks=3))
    def feed(self, cat: Cat, chunks: tuple[bytes, ...]) -> None:
        """Write to a program, and read what it makes of it as it comes."""
        for chunk in chunks:
            if cat.ended is None:
                cat.given += chunk
            self._each(
                cat.processes,
                lambda: None if cat.ended is None else "EPIPE",
                lambda process, chunk=chunk: process.write_stdin(chunk),  # type: ignore[misc]
            )
        self._each(
            cat.processes,
            lambda: cat.given,
            lambda process: exactly(process.stdout, len(cat.given)),
        )

    @rule(cat=cats, number=st.sampled_from([signal.SIGKILL, signal.SIGTERM, signal.SIGHUP]))
    def kill(self, cat: Cat, number: signal.Signals) -> None:
        """Send a signal; to a program that has ended it does nothing."""
        cat.ended = cat.ended or ExitStatus(signal=number)
        self._each(cat.processes, lambda: None, lambda process: process.signal(number))
        self._ends(cat)

    @rule(cat=cats)
    def end_input(self, cat: Cat) -> None:
        """End the input of a program, which ends with it."""
        cat.ended = cat.ended or ExitStatus(code=0)
        self._each(cat.processes, lambda: None, lambda process: process.close_stdin())
        self._ends(cat)

    def _ends(self, cat: Cat) -> None:
        async def end(process: Process) -> object:
            status = await process.wait()
            assert process.poll() == status
            return status, await content(process.stdout), await content(process.stderr)

        self._each(cat.processes, lambda: (cat.ended, cat.given, b""), end)

    def _listed(self, path: str) -> list[tuple[str, Node]]:
        return sorted(self._model.directory(path).names.items())


def check_engines(
    engines: Mapping[str, Engine],
    run: Run,
    *,
    forks: Mapping[str, Fork] | None = None,
    settings: Settings | None = None,
) -> None:
    """Drive engines through the same steps; they have to answer what a simple model says.

    With more than one it also shows that they answer alike. Each example has fresh sandboxes.

        loop = asyncio.new_event_loop()
        engine = MyEngine()
        loop.run_until_complete(engine.start())
        check_engines({"mine": engine}, loop.run_until_complete)

    Args:
        engines: name to engine, started.
        run: runs a coroutine on the loop that they were started on, like `run_until_complete`.
        forks: for engines that can make a further sandbox of the files of one: name of the
            engine to what makes it.
        settings: of hypothesis; how many examples, and how many steps each.

    Raises:
        AssertionError: an engine answers something else; the steps are shown, and how to
            repeat them.
    """

    class Machine(SandboxMachine):
        def __init__(self) -> None:
            super().__init__(engines, run, forks)

    run_state_machine_as_test(Machine, settings=settings)


def _succeeds(work: Callable[[], None]) -> bool:
    return outcome(work) is None


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _described(node: Node) -> tuple[EntryKind, object]:
    if isinstance(node, File):
        return EntryKind.FILE, len(node.data)
    if isinstance(node, Symlink):
        return EntryKind.SYMLINK, node.target
    return EntryKind.DIRECTORY, None


def _tree(directory: Directory) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, node in directory.names.items():
        found[name] = _described(node)
        if isinstance(node, File):
            found[name] = bytes(node.data)
        elif isinstance(node, Directory):
            found[name] = _tree(node)
    return found
