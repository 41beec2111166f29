"""Output that came unasked, and to its end, is read without the loop of the client."""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import sys
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from pytest_sandbox._shared.async_tasks import background
from pytest_sandbox.client import Sandbox, StreamType, exceptions
from pytest_sandbox.client.process.output import STDOUT
from pytest_sandbox.client.transport.fetching import Fetching
from pytest_sandbox.client.transport.portal import Portal

from ..interrupts import Interrupt
from .calls import settled

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from types import FrameType

    from pytest_sandbox.inmemory import FakeSandboxes

LINES = ["1\n", "2\n", "3"]
COMMAND = ("printf", "".join(LINES))


def by_exec() -> Any:
    process = Sandbox.create().exec(*COMMAND, bufsize=1)
    settled()
    return process.stdout


def by_main_process() -> Any:
    sandbox = Sandbox.create(*COMMAND)
    settled()
    return sandbox.stdout


@pytest.fixture(params=[by_exec, by_main_process])
def came(ahead: FakeSandboxes, request: pytest.FixtureRequest) -> Any:
    """Makes streams whose output has come."""
    return request.param


class Interrupted(Interrupt):
    """Interrupts where Python runs handlers of signals, also when what is offered was taken."""

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "line" and frame.f_code is not Fetching.is_whole.__code__:
            return self
        return super().__call__(frame, event, arg)


def interrupted(call: Callable[[], object], step: int) -> bool:
    """Whether a call was interrupted at one of its steps, as it has that many."""
    sys.settrace(Interrupted(step, ("call", "line")))
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(None)
    return False


def take_one(stream: Any, into: list[str]) -> None:
    into.append(next(stream))


async def lines_of(stream: Any) -> list[str]:
    return [line async for line in stream]


def test_nobody_is_asked_for_it(came: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read, begun, stepped, awaited = came(), came(), came(), came()

    def refuse(*args: object, **options: object) -> NoReturn:
        raise AssertionError("the loop of the client was asked")

    with monkeypatch.context() as patched:
        patched.setattr(Portal, "call", refuse)
        assert (read.read(), read.read(), list(read)) == ("".join(LINES), "", [])
        assert (next(begun), begun.read()) == ("1\n", "2\n3")
        assert (list(stepped), stepped.read()) == (LINES, "")
        assert asyncio.run(lines_of(awaited)) == LINES


def test_bytes_and_text_that_is_none(ahead: FakeSandboxes) -> None:
    process = Sandbox.create().exec("printf", "\\377b", text=False)
    other = Sandbox.create().exec("printf", "\\377b")
    settled()
    assert process.stdout.read() == b"\xffb"
    with pytest.raises(UnicodeDecodeError) as caught:
        other.stdout.read()
    assert (caught.value.object, other.stdout.read()) == (b"\xffb", "")


def test_an_interrupt_between_any_two_steps_loses_nothing(came: Any) -> None:
    stream = came()
    taken: list[str] = []
    for _ in LINES:
        steps = itertools.count()
        while interrupted(partial(take_one, stream, taken), next(steps)):
            pass
    assert (taken, list(stream)) == (LINES, [])

    whole, texts, steps = came(), [], itertools.count()
    while interrupted(lambda: texts.append(whole.read()), next(steps)):
        pass
    assert texts == ["".join(LINES)]


def test_an_interrupted_read_goes_on_though_calls_are_recorded_now(
    came: Any, ahead: FakeSandboxes
) -> None:
    """It has begun, or it has not."""
    for step in itertools.count():
        stream = came()
        taken: list[str] = []
        given_up = interrupted(partial(take_one, stream, taken), step)
        ahead.client.inspector.record_start()
        ahead.client.inspector.record_stop()
        assert [*taken, *stream] == LINES
        if not given_up:
            break
    assert step > 10


def test_what_was_read_in_part_is_not_asked_for_again(came: Any, ahead: FakeSandboxes) -> None:
    stream = came()
    assert next(stream) == "1\n"
    first = ahead.client.inspector.record_start()
    assert stream.read() == "2\n3"
    assert [record.rpc for record in ahead.client.inspector.record(first).records] == []


def test_a_closed_stream_has_ended(came: Any) -> None:
    stream = came()
    stream.close()
    assert (list(stream), stream.read()) == ([], "")


def test_a_child_reads_all_of_it(came: Any) -> None:
    stream = came()

    def read() -> None:
        assert stream.read() == "".join(LINES)

    child = multiprocessing.get_context("fork").Process(target=read)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # there are threads
        child.start()
    child.join()
    assert (child.exitcode, stream.read()) == (0, "".join(LINES))


def test_it_is_held_once(ahead: FakeSandboxes) -> None:
    process = Sandbox.create().exec(*COMMAND)
    settled()
    received = process._execution.following._streams[STDOUT]  # type: ignore[attr-defined]
    assert (received.data, process.stdout.read()) == (b"", "".join(LINES))


def test_what_is_printed_is_offered_to_nobody(
    ahead: FakeSandboxes, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it has come when the printing begins."""

    async def later(work: Any) -> Any:
        await asyncio.get_running_loop().settled()  # type: ignore[attr-defined]
        return await work

    where = "pytest_sandbox.client.process.container_process.background"
    monkeypatch.setattr(where, lambda work: background(later(work)))
    process = Sandbox.create().exec(*COMMAND, stdout=StreamType.STDOUT)
    assert (process.wait(), capfd.readouterr().out) == (0, "".join(LINES))


def test_one_reads_at_a_time(came: Any) -> None:
    stream = came()

    def again(item: bytes) -> NoReturn:
        next(stream)
        raise AssertionError

    with pytest.raises(exceptions.ConcurrentReadError):
        stream._items.next(again)
    assert list(stream) == LINES


def fetching() -> Fetching[int]:
    async def batches() -> AsyncGenerator[list[int], None]:
        yield [1, 2, 3]

    return Fetching(batches, "numbers")


def test_what_is_withdrawn_is_fetched() -> None:
    one = fetching()
    assert (one.offer([1, 2, 3]), one.offer([])) == (True, False)
    one.withdraw()
    assert (one.is_whole(), list(one.ready)) == (False, [])
    asyncio.run(one.fill())
    assert (list(one.ready), one.ended) == ([1, 2, 3], False)


def test_what_was_asked_for_is_not_offered_too() -> None:
    """It can come in the turn of the loop in which it is asked for, before the fetch begins."""

    async def read() -> list[int]:
        one = fetching()
        filling = asyncio.create_task(one.fill())
        await asyncio.sleep(0)
        assert not one.offer([1, 2, 3])
        await filling
        await one.fill(to_end=True)
        assert one.is_whole()
        return list(one.ready)

    assert asyncio.run(read()) == [1, 2, 3]


def test_what_was_taken_cannot_be_withdrawn() -> None:
    one = fetching()
    one.offer([1, 2])
    assert one.is_whole()
    one.withdraw()
    assert (one.is_whole(), list(one.ready)) == (True, [1, 2])


@pytest.mark.parametrize("withdrawn", [True, False])
def test_an_interrupt_behind_the_taking_changes_nothing(withdrawn: bool) -> None:
    one = fetching()
    one.offer([1, 2])
    assert one._takes_offer(one.ready)  # after which a thread was interrupted
    if withdrawn:
        one.withdraw()
    asyncio.run(one.fill(to_end=True))
    assert (list(one.ready), one.ended) == ([1, 2], True)
