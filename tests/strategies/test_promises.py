"""What the strategies promise holds for every example."""

import asyncio
import io
import os
import posixpath
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from hypothesis import given, settings

from pytest_sandbox import strategies
from pytest_sandbox._proto.sandboxes_pb2 import Sandbox
from pytest_sandbox.engine import EntryKind, ExitStatus, Files, Limits, ProcessSpec, Task, TaskSpec
from pytest_sandbox.fakes import FakeEngine
from pytest_sandbox.strategies import Link, Tree

T = TypeVar("T")

# Derandomised, so that a run is like the last one; nothing here waits for time.
calm = settings(deadline=None, max_examples=60, derandomize=True)


def in_memory(spec: TaskSpec, work: Callable[[Task], Awaitable[T]]) -> T:
    """Do something in a fresh sandbox of an engine in memory."""

    async def run() -> T:
        engine = FakeEngine()
        await engine.start()
        try:
            return await work(await engine.create(spec))
        finally:
            await engine.close()

    return asyncio.run(run())


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@calm
@given(strategies.names())
def test_a_name_names_a_file(name: str) -> None:
    async def written(task: Task) -> list[str]:
        await task.files.mkdir("/srv/names")
        file = await task.files.open(f"/srv/names/{name}", os.O_WRONLY | os.O_CREAT)
        await file.close()
        return [entry.name for entry in await task.files.listdir("/srv/names")]

    assert in_memory(TaskSpec(), written) == [name]
    assert encoded(name).decode("utf-8", "surrogateescape") == name


@calm
@given(strategies.names(utf8=True), strategies.words(utf8=True), strategies.paths(utf8=True))
def test_what_is_utf8_fits_a_request(name: str, word: str, path: str) -> None:
    for text in (name, word, path):
        assert text.encode().decode() == text


@calm
@given(strategies.paths("/srv/a", max_depth=15, dots=True), strategies.paths("/", max_depth=15))
def test_paths_stay_below_their_root(dotted: str, plain: str) -> None:
    within = posixpath.normpath(dotted)
    assert within == "/srv/a" or within.startswith("/srv/a/")
    assert posixpath.normpath(plain) == plain
    assert all(len(encoded(path)) < 4096 for path in (plain, dotted))


@calm
@given(spec=strategies.task_specs(), also=strategies.process_specs(pty=True))
def test_an_engine_creates_what_is_specified(spec: TaskSpec, also: ProcessSpec) -> None:
    async def started(task: Task) -> ExitStatus:
        return await (await task.exec(also)).wait()

    async def ended(task: Task) -> ExitStatus:
        assert task.main is not None
        return await task.main.wait()

    assert spec.limits == Limits()  # which need capabilities
    if spec.main is None:
        assert in_memory(spec, started).code in (0, 1)
    else:
        assert in_memory(spec, ended).code in (0, 1)


@calm
@given(strategies.argv(["printf"], max_words=0), strategies.words(), strategies.environments())
def test_words_and_variables_arrive(argv: tuple[str, ...], word: str, env: dict[str, str]) -> None:
    async def printed(task: Task) -> bytes:
        process = await task.exec(ProcessSpec((*argv, "%s", word), env=env))
        return b"".join([chunk async for chunk in process.stdout.follow()])

    assert in_memory(TaskSpec(), printed) == encoded(word)


@calm
@given(strategies.sandbox_options())
def test_a_sandbox_can_be_created_with_the_options(options: dict[str, Any]) -> None:
    env = {name: value for name, value in options.get("env", {}).items() if value is not None}
    assert set(options) <= {"name", "env", "timeout", "idle_timeout", "workdir"}
    message = Sandbox(workdir=options.get("workdir"), name=options.get("name"))
    message.environment_variables.contents.update(env)
    assert Sandbox.FromString(message.SerializeToString()) == message


@calm
@given(strategies.streams(), strategies.streams(utf8=True))
def test_a_stream_has_no_empty_chunk(any_bytes: tuple[bytes, ...], text: tuple[bytes, ...]) -> None:
    assert all(any_bytes)
    assert all(text)
    b"".join(text).decode()


@calm
@given(strategies.file_trees())
def test_a_tree_can_be_unpacked_and_is_then_there(tree: Tree) -> None:
    async def unpacked(task: Task) -> Tree:
        await task.files.unpack("/srv/tree", _stream(strategies.tar_of(tree)))
        return await _read(task.files, "/srv/tree")

    assert in_memory(TaskSpec(), unpacked) == tree


@calm
@given(strategies.file_trees(links=False, utf8=True))
def test_an_archive_of_a_tree_is_one_for_others_too(tree: Tree) -> None:
    with tarfile.open(fileobj=io.BytesIO(strategies.tar_of(tree))) as archive:
        held = {member.name: archive.extractfile(member) for member in archive}
    contents = {path: file.read() if file else None for path, file in held.items()}
    assert contents == dict(strategies.flattened(tree))


async def _stream(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _read(files: Files, folder: str) -> Tree:
    """A directory as a tree."""
    tree: Tree = {}
    for entry in await files.listdir(folder):
        if entry.kind is EntryKind.DIRECTORY:
            tree[entry.name] = await _read(files, entry.path)
        elif entry.kind is EntryKind.SYMLINK:
            tree[entry.name] = Link(entry.symlink_target or "")
        else:
            file = await files.open(entry.path, os.O_RDONLY)
            tree[entry.name] = await file.pread(0, entry.size)
    return tree
