"""One function, two faces: blocking, and awaited from any loop."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import signal
import subprocess
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest
import trio

from pytest_sandbox.client import exceptions
from pytest_sandbox.client.transport.dual import (
    dual,
    dual_function,
    dual_iterator,
    dual_iterator_function,
)
from pytest_sandbox.client.transport.portal import close_portal, portal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


class Thing:
    """Has a function of every kind."""

    def __init__(self) -> None:
        self.closed = threading.Event()
        self.cancelled = threading.Event()
        self.waiting = threading.Event()

    @staticmethod
    @dual_function
    async def add(one: int, *, other: int = 1) -> int:
        """Add numbers."""
        return one + other

    @dual
    async def where(self) -> str:
        """The thread that runs it."""
        return threading.current_thread().name

    @dual
    async def fail(self) -> None:
        raise LookupError("on purpose")

    @dual
    async def wait_for_ever(self) -> None:
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    @dual_iterator
    async def count(self, end: int) -> AsyncGenerator[int, None]:
        """Numbers."""
        try:
            for number in range(end):
                yield number
        finally:
            self.closed.set()

    @dual_iterator
    async def wait_between(self) -> AsyncGenerator[int, None]:
        await asyncio.Event().wait()
        yield 0

    @dual_iterator
    async def break_off(self) -> AsyncGenerator[int, None]:
        yield 1
        raise LookupError("on purpose")

    @staticmethod
    @dual_iterator_function
    async def letters(text: str) -> AsyncGenerator[str, None]:
        for letter in text:
            yield letter


def test_a_call_blocks_and_gives_the_result(call: Any) -> None:
    assert call(Thing.add, 2, other=3) == 5
    assert call(Thing().where) == "pytest-sandbox"


def test_an_error_is_raised_where_the_call_was_made(call: Any) -> None:
    with pytest.raises(LookupError, match="on purpose"):
        call(Thing().fail)


def test_an_error_holds_on_to_nothing() -> None:
    """Else what a failing test used would live until the next collection of garbage."""
    thing = Thing()
    alive = weakref.ref(thing)
    gc.disable()
    try:
        with pytest.raises(LookupError):
            thing.fail()
        del thing
        assert alive() is None
    finally:
        gc.enable()


def test_wrong_arguments_are_an_error_of_the_caller(call: Any) -> None:
    with pytest.raises(TypeError, match="unexpected keyword"):
        call(Thing.add, 2, another=3)


def test_iteration_gives_all_items(items: Any) -> None:
    assert items(Thing().count, 3) == [0, 1, 2]
    assert items(Thing.letters, "ab") == ["a", "b"]


def test_breaking_out_of_a_loop_closes_the_generator() -> None:
    thing = Thing()
    numbers = thing.count(10)
    assert next(numbers) == 0

    numbers.close()

    assert thing.closed.is_set()


def test_breaking_out_of_an_async_loop_closes_the_generator() -> None:
    thing = Thing()

    async def main() -> None:
        numbers = thing.count.aio(10)
        assert await anext(numbers) == 0
        await numbers.aclose()

    asyncio.run(main())

    assert thing.closed.is_set()


def test_what_is_iterated_over_by_two_at_once_is_refused_to_the_second() -> None:
    async def main() -> None:
        items = Thing().wait_between.aio()
        first = asyncio.ensure_future(items.asend(None))
        await asyncio.sleep(0)
        with pytest.raises(exceptions.ConcurrentReadError, match=r"reading .*\.wait_between"):
            await anext(items)
        await items.aclose()
        with pytest.raises(exceptions.StreamClosedError):
            await first
        with pytest.raises(StopAsyncIteration):
            await anext(items)

    asyncio.run(main())


def test_an_error_ends_an_iterator() -> None:
    numbers = Thing().break_off()
    assert next(numbers) == 1
    with pytest.raises(LookupError, match="on purpose"):
        next(numbers)
    assert list(numbers) == []


def test_throwing_into_an_iterator_closes_it() -> None:
    thing = Thing()
    numbers = thing.count(10)
    assert next(numbers) == 0

    with pytest.raises(LookupError, match="on purpose"):
        numbers.throw(LookupError("on purpose"))

    assert thing.closed.is_set()
    assert list(numbers) == []


@pytest.mark.parametrize("blocking", [True, False])
def test_an_iterator_that_is_dropped_is_closed(blocking: bool) -> None:
    thing = Thing()

    async def begin() -> None:
        assert await anext(thing.count.aio(10)) == 0

    if blocking:
        assert next(thing.count(10)) == 0
    else:
        asyncio.run(begin())

    assert thing.closed.wait(10)


def test_signature_name_and_documentation_are_those_of_the_function() -> None:
    assert str(inspect.signature(Thing.add)) == "(one: 'int', *, other: 'int' = 1) -> 'int'"
    assert str(inspect.signature(Thing().count)).startswith("(end: 'int')")
    assert (Thing.add.__name__, Thing.add.__doc__) == ("add", "Add numbers.")
    assert Thing().where.__doc__ == Thing.where.__doc__ == "The thread that runs it."


def test_methods_are_seen_as_plain_functions_and_bound_methods() -> None:
    thing = Thing()

    assert inspect.isfunction(Thing.where)
    assert inspect.ismethod(thing.where)
    assert not inspect.iscoroutinefunction(thing.where)
    assert inspect.iscoroutinefunction(thing.where.aio)
    assert (vars(Thing)["where"].__qualname__, thing.where.__name__) == ("Thing.where", "where")
    assert str(inspect.signature(Thing.count)).startswith("(self, end: 'int')")
    assert str(inspect.signature(thing.count.aio)).startswith("(end: 'int')")


def test_methods_can_be_called_on_the_class(call: Any, items: Any) -> None:
    assert call(Thing.where, Thing()) == "pytest-sandbox"
    assert items(Thing.count, Thing(), 2) == [0, 1]


def test_subclasses_call_the_method_of_their_base() -> None:
    class Other(Thing):
        @dual
        async def where(self) -> str:
            return "other " + await super().where.core()

    assert Other().where() == "other pytest-sandbox"


def test_loops_can_be_many_and_at_the_same_time() -> None:
    thing = Thing()
    gathered: list[int] = []

    async def main() -> None:
        gathered.extend(await asyncio.gather(*(thing.add.aio(n) for n in range(20))))

    threads = [threading.Thread(target=lambda: asyncio.run(main())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(gathered) == sorted(list(range(1, 21)) * 4)


def test_a_blocking_call_works_inside_a_running_loop() -> None:
    async def main() -> int:
        with pytest.warns(exceptions.BlockingCallWarning):
            return Thing.add(2)

    assert asyncio.run(main()) == 3


def test_cancelling_the_awaiter_cancels_the_call() -> None:
    thing = Thing()

    async def main() -> None:
        task = asyncio.ensure_future(thing.wait_for_ever.aio())
        await asyncio.to_thread(thing.waiting.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())

    assert thing.cancelled.wait(10)


def test_trio_awaits_too() -> None:
    async def main() -> tuple[int, list[int]]:
        thing = Thing()
        return await thing.add.aio(2), [number async for number in thing.count.aio(3)]

    assert trio.run(main) == (3, [0, 1, 2])


def test_an_error_reaches_trio() -> None:
    with pytest.raises(LookupError, match="on purpose"):
        trio.run(Thing().fail.aio)


def test_cancelling_in_trio_cancels_the_call() -> None:
    thing = Thing()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(thing.wait_for_ever.aio)
            await trio.to_thread.run_sync(thing.waiting.wait)
            nursery.cancel_scope.cancel()

    trio.run(main)

    assert thing.cancelled.wait(10)


def test_an_interrupt_ends_a_blocking_call_and_cancels_it() -> None:
    thing = Thing()

    def interrupt() -> None:
        thing.waiting.wait()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        thing.wait_for_ever()

    assert thing.cancelled.wait(10)


def test_a_blocking_call_on_the_loop_itself_is_refused() -> None:
    async def deadlock() -> None:
        Thing.add(1)

    with pytest.raises(RuntimeError, match=r"await its \.aio form"):
        portal().run(deadlock)


def test_a_fork_has_a_loop_of_its_own() -> None:
    assert Thing.add(1) == 2  # the parent's runs
    read, write = os.pipe()

    child = os.fork()
    if child == 0:
        try:
            os.write(write, str(Thing.add(2)).encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read) as answer:
        assert answer.read() == "3"
    os.waitpid(child, 0)

    assert Thing.add(3) == 4


def test_a_closed_portal_is_followed_by_another() -> None:
    before = portal()

    close_portal()

    assert Thing.add(1) == 2
    assert portal() is not before


@pytest.mark.parametrize("end", ["", "; raise SystemExit(3)", "; thread.start(); started.wait()"])
def test_the_interpreter_ends_without_a_word(end: str) -> None:
    """Whatever is under way; warnings would be written to standard error."""
    code = (
        "import asyncio, logging, threading\n"
        "from pytest_sandbox.client.transport.portal import portal\n"
        # That a step took long is what asyncio says of a busy machine.
        "logging.getLogger('asyncio').addFilter(lambda it: 'seconds' not in it.msg)\n"
        "started = threading.Event()\n"
        "async def wait():\n"
        "    started.set()\n"
        "    await asyncio.Event().wait()\n"
        "def work():\n"
        "    try: portal().run(wait)\n"
        "    except BaseException: pass\n"
        "thread = threading.Thread(target=work, daemon=True)\n"
        f"portal().run(lambda: asyncio.sleep(0)){end}\n"
    )
    command = (sys.executable, "-X", "dev", "-W", "error", "-c", code)

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.stderr == ""
    assert done.returncode == (3 if "SystemExit" in end else 0)
