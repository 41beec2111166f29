"""File operations of the engine in memory answer like those of the local engine."""

import errno
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pytest_sandbox.engine import EngineUnavailable, Entry, Files, TaskSpec
from pytest_sandbox.fakes import FakeEngine
from pytest_sandbox.local import LocalEngine

Operation = tuple[Any, ...]


async def perform(files: Files, folder: str, operation: Operation) -> object:
    """The answer to an operation, without what may differ: the folder, and times."""
    verb, path, *rest = operation
    path = folder + path
    try:
        return plain(await call(files, verb, path, *rest), folder)
    except OSError as error:
        # What makes or removes many names may name any of them.
        many = verb in ("mkdir", "remove") and rest[0]
        return error.errno, None if many else str(error.filename).replace(folder, "")


async def call(files: Files, verb: str, path: str, *rest: Any) -> object:
    if verb == "open":
        flags, mode, data, offset, size = rest
        file = await files.open(path, flags, mode)
        try:
            if flags & os.O_ACCMODE != os.O_RDONLY:
                await file.pwrite(offset, data)
                await file.truncate(size)
            return await file.size(), await file.pread(0, 1000) if flags & os.O_RDWR else b""
        finally:
            await file.close()
    if verb == "stat":
        return await files.stat(path, follow=rest[0])
    if verb == "listdir":
        return await files.listdir(path)
    if verb == "mkdir":
        await files.mkdir(path, parents=rest[0])
    else:
        await files.remove(path, recursive=rest[0])
    return None


def plain(value: object, folder: str) -> object:
    if isinstance(value, list):
        return [plain(each, folder) for each in value]
    if isinstance(value, Entry):
        size = 0 if value.kind.value == "directory" else value.size
        return replace(value, path=value.path.replace(folder, ""), mtime_ns=0, size=size)
    return value


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both() -> AsyncIterator[tuple[Files, Files]]:
    local, fake = LocalEngine(), FakeEngine()
    try:
        await local.start()
    except EngineUnavailable as error:
        pytest.skip(f"the engine cannot do this here: {error.reason}")
    await fake.start()
    yield (await local.create(TaskSpec())).files, (await fake.create(TaskSpec())).files
    await local.close()
    await fake.close()


names = st.sampled_from(["a", "b", "c", "l", "..", ".", "", "x" * 256])
paths = st.lists(names, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
safe_paths = paths.filter(lambda path: path.count("..") <= 2)
flags = st.builds(
    lambda access, more: access | sum(set(more)),
    st.sampled_from([os.O_RDONLY, os.O_WRONLY, os.O_RDWR]),
    st.lists(
        st.sampled_from(
            [os.O_CREAT, os.O_CREAT, os.O_EXCL, os.O_TRUNC, os.O_APPEND, os.O_NOFOLLOW]
        ),
        max_size=3,
    ),
)
operations: st.SearchStrategy[Operation] = st.one_of(
    st.tuples(
        st.just("open"),
        safe_paths,
        flags,
        st.sampled_from([0o600, 0o644, 0o777]),
        st.sampled_from([b"", b"data"]),
        st.integers(0, 10),
        st.integers(-1, 20),
    ),
    st.tuples(st.just("mkdir"), safe_paths, st.booleans()),
    st.tuples(st.just("stat"), safe_paths, st.booleans()),
    st.tuples(st.just("listdir"), safe_paths),
    st.tuples(st.just("remove"), safe_paths.filter(lambda path: ".." not in path), st.booleans()),
)


@pytest.mark.asyncio(loop_scope="module")
async def test_files_answer_alike(both: tuple[Files, Files]) -> None:
    """Hypothesis is driven from a coroutine: each example runs in folders of its own."""
    local, fake = both
    examples: list[list[Operation]] = []

    @settings(
        max_examples=int(os.environ.get("SANDBOX_FILES_EXAMPLES", "60")),
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @example(steps=[("mkdir", "/a/b/c", True), ("remove", "/a", False), ("remove", "/a", True)])
    @given(steps=st.lists(operations, min_size=3, max_size=15))
    def collect(steps: list[Operation]) -> None:
        examples.append(steps)

    collect()
    for number, steps in enumerate(examples):
        folder = f"/srv/outer{number}/middle/inner"
        for files in both:
            await files.mkdir(folder, parents=True)
        for index, step in enumerate(steps):
            shown = (steps[: index + 1], await perform(fake, folder, step))
            assert shown == (steps[: index + 1], await perform(local, folder, step))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("path", "number"),
    [("/dev/null", errno.EBUSY), ("/dev/shm", errno.EISDIR), ("/dev/../dev/zero", errno.EBUSY)],
)
async def test_a_mount_point_is_not_replaced(
    both: tuple[Files, Files], path: str, number: int
) -> None:
    for files in both:
        await (await files.open("/dev/new", os.O_WRONLY | os.O_CREAT)).close()
        with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is what counts
            await files.replace("/dev/new", path)
        assert caught.value.errno == number
        assert (await files.stat("/dev/new")).size == 0
        await files.remove("/dev/new")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("path", ["/dev/null", "/dev/shm"])
@pytest.mark.parametrize("recursive", [True, False])
async def test_a_mount_point_is_not_removed(
    both: tuple[Files, Files], path: str, recursive: bool
) -> None:
    for files in both:
        with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is what counts
            await files.remove(path, recursive=recursive)
        assert (caught.value.errno, caught.value.filename) == (errno.EBUSY, path)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_removal_that_fails_below_names_the_path(both: tuple[Files, Files]) -> None:
    for files in both:
        with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is what counts
            await files.remove("/dev", recursive=True)
        assert (caught.value.errno, caught.value.filename) == (errno.EBUSY, "/dev")
