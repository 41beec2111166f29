"""A read that is cancelled, timed out or interrupted loses nothing: the next one continues."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_sandbox._shared.idle_loop import IdleEventLoop
from pytest_sandbox.client import STDOUT, FileWatchEventType, Sandbox, StreamReader, exceptions
from pytest_sandbox.client.transport.portal import portal
from pytest_sandbox.inmemory import FakeSandboxes

from .giving_up import (
    GIVING_UP,
    interrupted,
    timed_out_in_asyncio,
    timed_out_in_trio,
    when_it_waits,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


async def talk(call: Any) -> int:
    """Writes what it reads to both output streams, until its input ends."""
    while data := await call.read():
        call.out(data)
        call.err(data)
    return 0


@pytest.fixture
def fake() -> Iterator[FakeSandboxes]:
    """An engine whose time stands still: else it would skip to the end of what a test waits for."""
    with FakeSandboxes(autojump=False) as fake:
        fake.on_exec("talk").calls(talk)
        yield fake


def by_control_plane(fake: FakeSandboxes, sandbox: Sandbox) -> Sandbox:
    """The same sandbox, by a client that gets no token for the command router."""
    fake.faults.on("TaskGetCommandRouterAccess").status("FAILED_PRECONDITION").always()
    return Sandbox.from_id(sandbox.object_id)


#: How the items of a stream come: arguments of `exec`.
LINES, TEXT, BYTES = {"bufsize": 1}, {"bufsize": -1}, {"text": False}
WAYS = [
    *(("router", form) for form in (LINES, TEXT, BYTES)),
    ("router, ahead", TEXT),
    *(("control plane", form) for form in (LINES, TEXT, BYTES)),
    ("main process", LINES),
]


def started(fake: FakeSandboxes, way: str, command: str, form: dict[str, Any] = LINES) -> Any:
    """A command, or a sandbox whose main process it is."""
    if way == "main process":
        return Sandbox.create(command)
    sandbox = Sandbox.create()
    if way == "control plane":
        sandbox = by_control_plane(fake, sandbox)
    if way == "router, ahead":
        fake.rpcs.close()  # where calls are not recorded, output comes before it is asked for
    return sandbox.exec(command, **form)


@dataclass
class Talking:
    """The command that talks, and how it gives text."""

    process: Any
    form: dict[str, Any]

    def given(self, text: str) -> str | bytes:
        return text.encode() if self.form is BYTES else text


@pytest.fixture(params=WAYS, ids=lambda way: f"{way[0]} {way[1]}")
def talking(request: pytest.FixtureRequest, fake: FakeSandboxes) -> Talking:
    way, form = request.param
    return Talking(started(fake, way, "talk", form), form)


def say(process: Any, text: str) -> None:
    process.stdin.write(text)
    process.stdin.drain()


def finish(process: Any) -> None:
    process.stdin.write_eof()
    process.stdin.drain()


class Next:
    """`next` with the two faces that other calls have."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def __call__(self) -> Any:
        return next(self._reader)

    async def aio(self) -> Any:
        return await anext(self._reader)

    def anyhow(self) -> Any:
        """By the face that it has."""
        return self() if hasattr(self._reader, "__next__") else asyncio.run(self.aio())


@pytest.mark.parametrize("give_up", GIVING_UP)
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_iteration_goes_on(talking: Talking, stream: str, give_up: Callable[[Any], None]) -> None:
    process = talking.process
    reader = getattr(process, stream)

    give_up(Next(reader))
    say(process, "one\n")
    first = next(reader)
    give_up(Next(reader))
    give_up(reader.read)
    say(process, "two\n")
    finish(process)

    assert [first, *reader] == [talking.given("one\n"), talking.given("two\n")]


@pytest.mark.parametrize("give_up", GIVING_UP)
def test_a_read_that_had_got_some_goes_on(talking: Talking, give_up: Callable[[Any], None]) -> None:
    process = talking.process
    say(process, "one\ntw")

    give_up(process.stdout.read)
    say(process, "o")
    give_up(process.stdout.read)
    finish(process)

    assert process.stdout.read() == talking.given("one\ntwo")
    assert process.stdout.read() == talking.given("")


@pytest.mark.parametrize("give_up", GIVING_UP)
@pytest.mark.parametrize("way", ["router", "control plane", "main process"])
def test_a_character_in_two_parts_survives(
    fake: FakeSandboxes, way: str, give_up: Callable[[Any], None]
) -> None:
    process = started(fake, way, "talk")
    first, second = "é\n".encode()[:1], "é\n".encode()[1:]

    process.stdin.write(first)
    process.stdin.drain()
    give_up(Next(process.stdout))
    process.stdin.write(second)
    process.stdin.drain()

    assert next(process.stdout) == "é\n"


@pytest.mark.parametrize("give_up", GIVING_UP)
def test_a_wait_that_is_given_up_does_not_end_printing(
    fake: FakeSandboxes, give_up: Callable[[Any], None], capsys: pytest.CaptureFixture[str]
) -> None:
    fake.faults.on("TaskExecStdioRead").delay(5)
    fake.on_exec("print").reply(stdout="printed\n")
    process = Sandbox.create().exec("print", stdout=STDOUT)
    while process.poll() is None:
        fake.clock.advance(0)

    give_up(process.wait)
    fake.clock.advance(5)

    assert process.wait() == 0
    assert capsys.readouterr().out == "printed\n"


# At any point, on the loop where everything happens: so a run is the same every time


async def gathered(reader: StreamReader[Any], patience: Iterator[int | None]) -> list[Any]:
    """All items; each read is cancelled after so many turns of the loop, or not at all."""
    items = []
    while True:
        task = asyncio.ensure_future(Next(reader).aio())
        turns = next(patience, None)
        if turns is not None:
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
        try:
            items.append(await task)
        except asyncio.CancelledError:
            continue
        except StopAsyncIteration:
            return items


def printing(pieces: list[bytes], descriptor: int) -> Callable[[Any], Any]:
    async def handler(call: Any) -> int:
        for piece in pieces:
            (call.out if descriptor == 1 else call.err)(piece)
            await call.sleep(1)
        return 0

    return handler


PATIENCE = st.lists(st.none() | st.integers(0, 60), max_size=12)


@pytest.mark.parametrize("way", ["router", "router, ahead", "control plane"])
@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=6), max_size=6), PATIENCE, st.sampled_from([1, 2]))
def test_bytes_come_once_wherever_reads_are_cancelled(
    way: str, pieces: list[bytes], patience: list[int | None], descriptor: int
) -> None:
    with FakeSandboxes() as fake:
        fake.on_exec("print").calls(printing(pieces, descriptor))
        process = started(fake, way, "print", BYTES)
        stream = process.stdout if descriptor == 1 else process.stderr

        items = portal().run(lambda: gathered(stream, iter(patience)))
        assert b"".join(items) == b"".join(pieces)


@pytest.mark.parametrize("way", ["router", "control plane", "main process"])
@settings(max_examples=40, deadline=None)
@given(st.text("a\né🎉", max_size=20), st.data(), PATIENCE, st.sampled_from([1, 2]))
def test_lines_come_once_wherever_reads_are_cancelled(
    way: str, text: str, data: st.DataObject, patience: list[int | None], descriptor: int
) -> None:
    written = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(written)), max_size=6)))
    pieces = [written[a:b] for a, b in itertools.pairwise([0, *cuts, len(written)])]
    with FakeSandboxes() as fake:
        fake.on_exec("print").calls(printing(pieces, descriptor))
        process = started(fake, way, "print")
        stream = process.stdout if descriptor == 1 else process.stderr

        lines = portal().run(lambda: gathered(stream, iter(patience)))
        assert lines == text.splitlines(keepends=True)


# Iterators of the client


@pytest.mark.parametrize("give_up", [timed_out_in_asyncio, timed_out_in_trio, interrupted])
@pytest.mark.parametrize("newer", [True, False])
def test_watching_goes_on(fake: FakeSandboxes, newer: bool, give_up: Callable[[Any], None]) -> None:
    """What happens while nobody waits is given by the next step."""
    sandbox = Sandbox.create()
    watch = sandbox.filesystem.watch if newer else sandbox.watch
    kinds = [FileWatchEventType.Create]
    events = (watch.aio if "in_" in give_up.__name__ else watch)("/tmp", filter=kinds)

    give_up(Next(events))
    fake.filesystem(sandbox).write("/tmp/one", "")
    fake.filesystem(sandbox).write("/tmp/two", "")
    both = [Next(events).anyhow().paths for _ in range(2)]
    assert both == [["/tmp/one"], ["/tmp/two"]]
    give_up(Next(events))
    fake.filesystem(sandbox).write("/tmp/three", "")
    assert Next(events).anyhow().paths == ["/tmp/three"]


@pytest.mark.parametrize("give_up", GIVING_UP)
@pytest.mark.parametrize("newer", [True, False])
def test_a_watch_whose_beginning_is_given_up_begins(
    fake: FakeSandboxes, newer: bool, give_up: Callable[[Any], None]
) -> None:
    sandbox = Sandbox.create()
    watch = sandbox.filesystem.watch if newer else sandbox.watch
    awaited = "in_" in give_up.__name__
    events = (watch.aio if awaited else watch)("/tmp", filter=[FileWatchEventType.Create])

    fake.faults.on("TaskExecStart" if newer else "ContainerFilesystemExec").delay(1)
    give_up(Next(events))
    fake.clock.advance(1)
    (timed_out_in_asyncio if awaited else interrupted)(Next(events))
    fake.clock.advance(1)  # if the first step was cancelled before it called anything
    fake.filesystem(sandbox).write("/tmp/one", "")
    assert Next(events).anyhow().paths == ["/tmp/one"]


# After an error


def test_reading_goes_on_behind_an_error(fake: FakeSandboxes, call: Any) -> None:
    fake.clock.autojump = True  # the client waits before it tries again
    fake.on_exec("print").reply(stdout="one\ntwo\n")
    fake.faults.on("TaskExecStdioRead").cut_stream(after_bytes=4).times(1)
    fake.faults.on("TaskExecStdioRead", nth=2).status("PERMISSION_DENIED")
    process = Sandbox.create().exec("print", bufsize=1)

    assert next(process.stdout) == "one\n"
    with pytest.raises(exceptions.PermissionDeniedError):
        call(process.stdout.read)
    assert call(process.stdout.read) == "two\n"


def test_lines_around_one_that_is_not_utf8_are_given(fake: FakeSandboxes) -> None:
    fake.on_exec("print").reply(stdout=b"one\n\xff\nthree\n")
    process = Sandbox.create().exec("print", bufsize=1)

    assert next(process.stdout) == "one\n"
    with pytest.raises(UnicodeDecodeError) as caught:
        next(process.stdout)
    assert caught.value.object == b"\xff\n"
    assert next(process.stdout) == "three\n"


# One reader at a time


@pytest.mark.filterwarnings("ignore::pytest_sandbox.client.exceptions.BlockingCallWarning")
@pytest.mark.parametrize("second", ["next", "read"])
def test_a_second_reader_is_refused(talking: Talking, second: str) -> None:
    process = talking.process
    step = Next(process.stdout) if second == "next" else process.stdout.read

    async def main() -> None:
        first = asyncio.ensure_future(Next(process.stdout).aio())
        await asyncio.sleep(0)
        with pytest.raises(exceptions.ConcurrentReadError, match=r"already reading stdout of \w+"):
            await step.aio()
        with pytest.raises(exceptions.ConcurrentReadError):
            step()
        await asyncio.to_thread(say, process, "one\n")
        assert await first == talking.given("one\n")

    asyncio.run(main())


def test_streams_are_read_at_the_same_time_each(fake: FakeSandboxes) -> None:
    process = Sandbox.create().exec("talk")
    say(process, "one")
    finish(process)

    async def main() -> None:
        both = process.stdout.read.aio(), process.stderr.read.aio()
        assert list(await asyncio.gather(*both)) == ["one", "one"]

    asyncio.run(main())


def test_closing_ends_a_read_that_waits(talking: Talking) -> None:
    process = talking.process

    async def main() -> None:
        waits = asyncio.Event()
        loop = asyncio.get_running_loop()
        with when_it_waits(lambda: loop.call_soon_threadsafe(waits.set)):
            reading = asyncio.ensure_future(process.stdout.read.aio())
            await waits.wait()
        await process.stdout.aclose.aio()
        with pytest.raises(exceptions.StreamClosedError, match=r"stdout of \w+"):
            await reading

    asyncio.run(main())
    assert list(process.stdout) == []
    assert not process.stdout.read()


def test_a_reader_that_is_dropped_lets_the_connection_go(fake: FakeSandboxes) -> None:
    process = Sandbox.create().exec("talk")
    timed_out_in_asyncio(process.stdout.read)
    assert tasks_that_fetch() == 1

    del process

    assert tasks_that_fetch() == 0


def tasks_that_fetch() -> int:
    async def count() -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, IdleEventLoop)
        await loop.settled()
        return sum("_fetch_batch" in repr(task.get_coro()) for task in asyncio.all_tasks())

    return portal().run(count)
