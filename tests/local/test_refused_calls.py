"""A system call of the engine's own that the kernel refuses is an error, and leaks nothing."""

import errno
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import pytest
import pytest_asyncio

from pytest_sandbox.engine import ProcessSpec, PtySize, StoreFull, Task
from pytest_sandbox.local import LocalEngine, LocalOptions

from .conftest import all_closed, descriptors

pytestmark = pytest.mark.asyncio(loop_scope="module")

Operation = Callable[[Task], Awaitable[object]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[LocalEngine]:
    engine = LocalEngine(LocalOptions(pool=False))  # no descriptors but those of what tests create
    await engine.start()
    yield engine
    await engine.close()


def refuse(*_: object) -> NoReturn:
    raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))


@contextmanager
def refused(monkeypatch: pytest.MonkeyPatch, call: str) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        yield


async def start(task: Task) -> None:
    await (await task.exec(ProcessSpec(("true",)))).wait()


async def start_on_terminal(task: Task) -> None:
    await (await task.exec(ProcessSpec(("true",), pty=PtySize()))).wait()


async def use_file(task: Task) -> None:
    await (await task.files.open("/etc/hostname", 0)).close()


async def pack(task: Task) -> None:
    async for _ in task.files.pack("/etc"):
        pass


@pytest.mark.parametrize(
    ("operation", "call"),
    [
        (start, "fchmod"),
        (start, "set_blocking"),
        (start_on_terminal, "fstat"),
        (start_on_terminal, "set_blocking"),
        (start_on_terminal, "dup"),
        (use_file, "fstat"),
        (pack, "set_blocking"),
        (pack, "pipe2"),
    ],
)
async def test_what_it_needs_is_refused_and_nothing_leaks(
    engine: LocalEngine,
    task: Task,
    monkeypatch: pytest.MonkeyPatch,
    operation: Operation,
    call: str,
) -> None:
    await operation(task)
    before = descriptors()

    with refused(monkeypatch, call), pytest.raises((OSError, StoreFull), match="Cannot allocate"):
        await operation(task)

    await all_closed(before)
    await operation(task)
