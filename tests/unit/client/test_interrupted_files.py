"""An abandoned read of a file loses nothing, and other operations run to their end."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_sandbox import FileIO, Sandbox, delete_bytes, replace_bytes
from pytest_sandbox.client.transport.portal import portal
from pytest_sandbox.inmemory import FakeSandboxes

from .giving_up import interrupted, timed_out_in_asyncio, timed_out_in_trio

if TYPE_CHECKING:
    from collections.abc import Iterator

GiveUp = Callable[[Any], None]

PATH = "/tmp/file"
TEXT = "one\ntwo\nthree\n"
#: Ways to give up a call that has begun to wait.
WAITING = [timed_out_in_asyncio, timed_out_in_trio, interrupted]
#: The calls of an operation: one starts it, and one fetches its outcome.
RPCS = ["ContainerFilesystemExec", "ContainerFilesystemExecGetOutput"]


@pytest.fixture
def fake() -> Iterator[FakeSandboxes]:
    """An engine whose time stands still, so that a delayed call waits until the test lets it go."""
    with FakeSandboxes(autojump=False) as fake:
        yield fake


@pytest.fixture(params=RPCS)
def hold(request: pytest.FixtureRequest, fake: FakeSandboxes) -> Callable[[], None]:
    """Have the next operation wait in one of its calls, until a second passes."""

    def delay() -> None:
        fake.faults.on(request.param).delay(1)

    return delay


def opened(mode: Any = "r", content: str = TEXT) -> FileIO[Any]:
    sandbox = Sandbox.create()
    sandbox.filesystem.write_text(content, PATH)
    return sandbox.open(PATH, mode)


@pytest.mark.parametrize("give_up", WAITING)
@pytest.mark.parametrize("size", [None, 5])
def test_a_read_goes_on(
    fake: FakeSandboxes, hold: Callable[[], None], give_up: GiveUp, size: int | None
) -> None:
    file = opened()

    hold()
    give_up(bound(file.read, size))
    fake.clock.advance(1)

    assert file.read(2) == "on"
    assert file.read(4) == "e\ntw"
    assert file.read() == "o\nthree\n"
    assert file.read() == ""


@pytest.mark.parametrize("give_up", WAITING)
def test_lines_go_on(fake: FakeSandboxes, hold: Callable[[], None], give_up: GiveUp) -> None:
    file = opened()

    assert file.readline() == "one\n"
    hold()
    give_up(bound(file.read, 2))
    fake.clock.advance(1)
    assert file.readline() == "two\n"
    hold()
    give_up(file.readlines)
    fake.clock.advance(1)
    assert file.readline() == "three\n"
    assert file.readline() == ""


@pytest.mark.parametrize("give_up", WAITING)
def test_a_write_is_where_the_last_read_ended(
    fake: FakeSandboxes, hold: Callable[[], None], give_up: GiveUp
) -> None:
    file = opened("r+")

    assert file.read(3) == "one"
    hold()
    give_up(file.readline)
    fake.clock.advance(1)
    file.write("!two")

    assert file.read() == "\nthree\n"
    file.seek(0)
    assert file.read() == "one!two\nthree\n"


@pytest.mark.parametrize("give_up", WAITING)
def test_seeking_is_from_where_the_last_read_ended(
    fake: FakeSandboxes, hold: Callable[[], None], give_up: GiveUp
) -> None:
    file = opened()

    assert file.read(3) == "one"
    hold()
    give_up(file.read)
    fake.clock.advance(1)
    file.seek(1, 1)

    assert file.readline() == "two\n"


def test_what_was_read_ahead_is_not_older_than_a_change(fake: FakeSandboxes) -> None:
    file = opened("r+b")

    for change in (bound(delete_bytes, file, 0, 4), bound(replace_bytes, file, b"T", 0, 1)):
        fake.faults.on(RPCS[1]).delay(1)
        timed_out_in_asyncio(file.read)
        fake.clock.advance(1)
        change()

    assert file.read() == b"Two\nthree\n"


@pytest.mark.parametrize("give_up", WAITING)
def test_a_write_that_is_given_up_comes_before_the_next(
    fake: FakeSandboxes, hold: Callable[[], None], give_up: GiveUp
) -> None:
    file = opened("w")

    hold()
    give_up(bound(file.write, "one"))
    fake.clock.advance(1)
    file.write("two")
    file.close()

    assert Sandbox.from_id(fake.ids[0]).filesystem.read_text(PATH) == "onetwo"


def test_reads_at_the_same_time_get_each_their_part(fake: FakeSandboxes) -> None:
    file = opened()

    async def main() -> list[str]:
        return list(await asyncio.gather(*(file.readline.aio() for _ in range(4))))

    assert asyncio.run(main()) == ["one\n", "two\n", "three\n", ""]


def test_a_file_whose_opening_is_given_up_is_closed(
    fake: FakeSandboxes, hold: Callable[[], None]
) -> None:
    sandbox = Sandbox.create()
    sandbox.filesystem.write_text(TEXT, PATH)

    hold()
    timed_out_in_asyncio(bound(sandbox.open, PATH))
    fake.clock.advance(1)

    operations = fake.rpcs.of("ContainerFilesystemExec")
    while not any(operation.file_close_request.file_descriptor for operation in operations):
        portal().run(lambda: asyncio.sleep(0.01))


class bound:  # noqa: N801 - used like `functools.partial`
    """A call with its arguments, by either face."""

    def __init__(self, call: Any, *args: Any) -> None:
        self._call = call
        self._args = args

    def __call__(self) -> Any:
        return self._call(*self._args)

    async def aio(self) -> Any:
        return await self._call.aio(*self._args)


SIZES = st.none() | st.integers(0, 5) | st.just("line")


@settings(max_examples=40, deadline=None)
@given(
    st.text("a\nb", max_size=12),
    st.lists(st.tuples(SIZES, st.none() | st.integers(0, 40)), max_size=12),
)
def test_bytes_come_once_wherever_reads_are_cancelled(
    content: str, reads: list[tuple[Any, int | None]]
) -> None:
    """On the loop where everything happens, so that a run is the same every time."""

    async def main(file: FileIO[str]) -> list[str]:
        got = []
        for size, turns in [*reads, (None, None)]:
            step = file.readline.aio() if size == "line" else file.read.aio(size)
            task = asyncio.ensure_future(step)
            if turns is not None:
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
            try:
                got.append(await task)
            except asyncio.CancelledError:
                continue
        return got

    with FakeSandboxes():
        assert "".join(portal().run(functools.partial(main, opened(content=content)))) == content
