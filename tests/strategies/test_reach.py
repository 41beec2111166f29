"""The strategies reach the cases that they are there for."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, find, settings
from hypothesis import strategies as st

from pytest_sandbox import strategies
from pytest_sandbox.engine import Output
from pytest_sandbox.strategies import Link, Tree, flattened


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def splits_a_character(chunks: tuple[bytes, ...]) -> bool:
    return any(chunk[0] & 0xC0 == 0x80 for chunk in chunks[1:])


def links(tree: Tree) -> set[tuple[str, str]]:
    return {(path, node.target) for path, node in flattened(tree) if isinstance(node, Link)}


def is_large(_: str, node: bytes | Link | None) -> bool:
    return isinstance(node, bytes) and len(node) > 4096


def holds(tree: Tree, condition: Callable[[str, bytes | Link | None], bool]) -> bool:
    return any(condition(path, node) for path, node in flattened(tree))


def reaches(what: str, strategy: st.SearchStrategy[Any], condition: Callable[[Any], bool]) -> Any:
    return pytest.param(strategy, condition, id=what)


NAMES = strategies.names()
DOTTED = strategies.paths("/r", dots=True)
STREAMS = strategies.streams()
TREES = strategies.file_trees()


@pytest.mark.parametrize(
    ("strategy", "condition"),
    [
        reaches("the longest name", NAMES, lambda name: len(encoded(name)) == 255),
        reaches("a name of many bytes", NAMES, lambda name: len(name) < 200 < len(encoded(name))),
        reaches("a name that is no UTF-8", NAMES, lambda name: not is_utf8(name)),
        reaches("a name like an option", NAMES, lambda name: name.startswith("-")),
        reaches("a name of two lines", NAMES, lambda name: "\n" in name.strip()),
        reaches("a hidden name", NAMES, lambda name: name.startswith(".")),
        reaches("a way up", DOTTED, lambda path: "/../" in path),
        reaches("a slash at the end", DOTTED, lambda path: path.endswith("/")),
        reaches("two slashes", DOTTED, lambda path: "//" in path.strip("/")),
        reaches("an empty argument", strategies.argv(), lambda argv: "" in argv[1:]),
        reaches("an argument that a shell expands", strategies.argv(), lambda argv: "*" in argv),
        reaches("no argument", strategies.argv(), lambda argv: len(argv) == 1),
        reaches("an empty variable", strategies.environments(), lambda env: "" in env.values()),
        reaches(
            "a variable no shell reads",
            strategies.environments(),
            lambda env: any(not name.isidentifier() for name in env),
        ),
        reaches("the longest host name", strategies.hostnames(), lambda name: len(name) == 64),
        reaches("merged streams", strategies.process_specs(), lambda s: s.stderr is Output.STDOUT),
        reaches("a terminal", strategies.process_specs(pty=True), lambda spec: bool(spec.pty)),
        reaches("no main process", strategies.task_specs(), lambda spec: spec.main is None),
        reaches("a new workdir", strategies.task_specs(), lambda spec: bool(spec.workdir)),
        reaches("no options", strategies.sandbox_options(), lambda options: not options),
        reaches("all options", strategies.sandbox_options(), lambda options: len(options) == 5),
        reaches("an empty stream", STREAMS, lambda chunks: chunks == ()),
        reaches("a character in two chunks", strategies.streams(utf8=True), splits_a_character),
        reaches(
            "a line's end in two chunks",
            STREAMS,
            lambda chunks: any(
                one.endswith(b"\r") and other.startswith(b"\n")
                for one, other in itertools.pairwise(chunks)
            ),
        ),
        reaches("more than a page", STREAMS, lambda chunks: len(b"".join(chunks)) > 4096),
        reaches("no UTF-8", STREAMS, lambda chunks: b"\xff" in b"".join(chunks)),
        reaches("an empty tree", TREES, lambda tree: tree == {}),
        reaches(
            "a deep tree", TREES, lambda tree: holds(tree, lambda path, _: path.count("/") > 1)
        ),
        reaches("a link to itself", TREES, lambda tree: any(p == to for p, to in links(tree))),
        reaches("a link out", TREES, lambda tree: "/" in {to for _, to in links(tree)}),
        reaches("a large file", TREES, lambda tree: holds(tree, is_large)),
    ],
)
def test_reaches(strategy: st.SearchStrategy[Any], condition: Callable[[Any], bool]) -> None:
    found = find(
        strategy,
        condition,
        settings=settings(
            max_examples=3000, derandomize=True, database=None, phases=[Phase.generate]
        ),
    )
    assert condition(found)
