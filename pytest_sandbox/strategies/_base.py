"""Sandboxes of each engine and a model of them, compared after each step of a machine."""

import os
import posixpath
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import field
from typing import Any, TypeVar

from hypothesis.stateful import RuleBasedStateMachine, initialize

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import Engine, EntryKind, ExitStatus, OpenFile, Process, Task, TaskSpec

from ._draws import ROOT, below
from ._model import Model, ModelDirectory, ModelFile, ModelNode, ModelSymlink, outcome
from ._subject import Subject, answer
from ._trees import Link, Tree, file_trees

#: Where links lead instead of to the root: as far up as everything is known.
_NEARER = Link(posixpath.dirname(ROOT))

T = TypeVar("T")
#: Runs a coroutine to its end, on the loop that the engines were started on.
Run = Callable[[Coroutine[Any, Any, Any]], Any]
#: Sandboxes of an example that live at one time.
_MOST_WORLDS = 3


def _within(tree: Tree) -> Tree:
    """The tree without links to the root, where an engine has more files than the model."""
    return {
        name: _within(node) if isinstance(node, dict) else _NEARER if node == Link("/") else node
        for name, node in tree.items()
    }


@dataclass(eq=False)
class World:
    """A sandbox of each engine, and the model that they have to match."""

    subjects: list[Subject]
    model: Model
    alive: bool = True
    opened: list["Opened"] = field(default_factory=list)
    cats: list["Cat"] = field(default_factory=list)


@dataclass(eq=False)
class Opened:
    """A file that is open, in the model and in each sandbox.

    Attributes:
        mount: the directory that was at `ROOT` when the file was opened.
    """

    world: World
    file: ModelFile
    flags: int
    handles: list[OpenFile]
    mount: ModelDirectory | None

    @property
    def reads(self) -> bool:
        return self.flags & os.O_ACCMODE != os.O_WRONLY

    @property
    def writes(self) -> bool:
        return self.flags & os.O_ACCMODE != os.O_RDONLY


@dataclass(eq=False)
class Cat:
    """A `cat` that runs in each sandbox, and what it was given."""

    world: World
    processes: list[Process]
    given: bytes = b""
    ended: ExitStatus | None = None


class Steps(RuleBasedStateMachine):
    """Sandboxes of each engine; the last of `worlds` is the current one.

    Args:
        engines: name to engine, started.
        run: runs a coroutine on the loop that they were started on.
        images: whether they support snapshots, from which further sandboxes are created.
    """

    def __init__(self, engines: Mapping[str, Engine], run: Run, *, images: bool = False) -> None:
        super().__init__()
        self.run = run
        self.images_too = images
        self.engines = engines
        self.worlds: list[World] = []
        self.enter(Model(ROOT), {name: TaskSpec() for name in engines})
        for subject in self.world.subjects:
            run(subject.task.files.mkdir(ROOT, parents=True))

    @property
    def world(self) -> World:
        """The current sandboxes."""
        return self.worlds[-1]

    @property
    def model(self) -> Model:
        """The model of the current sandboxes."""
        return self.world.model

    def enter(self, model: Model, specs: Mapping[str, TaskSpec]) -> None:
        """Create further sandboxes and make them current; the oldest end when there are many."""
        made = []
        for name, engine in self.engines.items():
            task = self.run(answer(engine.create(specs[name])))
            assert isinstance(task, Task), f"{name} answered {task!r} to create({specs[name]})"
            made.append(Subject(name, task))
        self.worlds.append(World(made, model))
        if len(self.worlds) > _MOST_WORLDS:
            self.compare(self.worlds[0])
            self.end(self.worlds[0])

    def end(self, world: World) -> None:
        """End sandboxes, unless they have ended."""
        for subject in world.subjects:
            self.run(subject.task.kill())
        world.alive = False
        for cat in world.cats:
            cat.ended = cat.ended or ExitStatus(signal=9)
        self.worlds.remove(world)

    def teardown(self) -> None:
        """Compare all sandboxes with their models, and end them."""
        try:
            for world in self.worlds:
                self.compare(world)
        finally:
            for world in list(self.worlds):
                self.end(world)

    def compare(self, world: World) -> None:
        """The whole tree, with what files hold."""
        self.agree(
            lambda: _tree(world.model.directory(ROOT)), lambda subject: subject.tree(ROOT), world
        )

    def agree(
        self,
        expected: Callable[[], object],
        ask: Callable[[Subject], Awaitable[object]],
        world: World | None = None,
    ) -> object:
        """Do something in the model and in every sandbox; the results must be equal."""
        right = outcome(expected)
        for subject in (world or self.world).subjects:
            seen = self.run(answer(ask(subject)))
            assert seen == right, f"{subject.name} answered {seen!r}, expected {right!r}"
        return right

    def each(
        self,
        world: World,
        items: list[T],
        expected: Callable[[], object],
        ask: Callable[[T], Awaitable[object]],
    ) -> None:
        """`agree` about something that was started in every sandbox, such as an open file."""
        held = dict(zip((subject.name for subject in world.subjects), items, strict=True))
        self.agree(expected, lambda subject: ask(held[subject.name]), world)

    def paths(self) -> list[str]:
        """Every existing path."""
        found = [path for path, _ in self.model.below(ROOT)]
        return sorted(found) or [below("a")]

    def directory_paths(self) -> list[str]:
        """Every existing directory."""
        there = self.model.below(ROOT)
        return sorted([ROOT, *(path for path, node in there if isinstance(node, ModelDirectory))])

    @initialize(tree=file_trees(max_leaves=4).map(_within))
    def begin(self, tree: Tree) -> None:
        """Begin with some files."""
        self.agree(
            lambda: self.model.write_tree(ROOT, tree), lambda subject: subject.unpack(ROOT, tree)
        )


def described_node(node: ModelNode) -> tuple[EntryKind, object]:
    if isinstance(node, ModelFile):
        return EntryKind.FILE, len(node.data)
    if isinstance(node, ModelSymlink):
        return EntryKind.SYMLINK, node.target
    return EntryKind.DIRECTORY, None


def _tree(directory: ModelDirectory) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, node in directory.names.items():
        found[name] = described_node(node)
        if isinstance(node, ModelFile):
            found[name] = bytes(node.data)
        elif isinstance(node, ModelDirectory):
            found[name] = _tree(node)
    return found
