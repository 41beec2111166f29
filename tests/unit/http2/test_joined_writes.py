"""What is said in one turn, or a moment after something else, is written at once."""

import asyncio
from typing import Any

import pytest

from pytest_sandbox._http2 import JoinedWrites


class Written(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.data: list[bytes] = []

    def write(self, data: Any) -> None:
        self.data.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return 0


@pytest.fixture
def loop() -> Any:
    class Frozen(asyncio.SelectorEventLoop):
        now = 1000.0

        def time(self) -> float:
            return self.now

    loop = Frozen()
    yield loop
    loop.close()


def test_one_call_after_another_is_written_at_once(loop: Any) -> None:
    async def main() -> None:
        behind = Written()
        joined = JoinedWrites(behind)
        for number in range(3):
            loop.now += 0.0004
            joined.write(b"headers ")
            joined.write(b"%d" % number)
            joined.write_if_due()
        assert behind.data == [b"headers 0", b"headers 1", b"headers 2"]

    loop.run_until_complete(main())


def test_calls_of_one_moment_are_written_together(loop: Any) -> None:
    async def main() -> None:
        behind = Written()
        joined = JoinedWrites(behind)
        for number in range(4):
            joined.write(b"%d" % number)
            joined.write_if_due()
        assert behind.data == [b"0"]
        await asyncio.sleep(0)
        assert behind.data == [b"0", b"123"]

    loop.run_until_complete(main())


def test_what_a_call_says_last_is_written_at_once_and_leaves_nothing_to_do(loop: Any) -> None:
    async def main() -> None:
        behind = Written()
        joined = JoinedWrites(behind)
        joined.write_last(b"0")
        assert (behind.data, joined.get_write_buffer_size()) == ([b"0"], 0)
        assert not loop._ready

        loop.now += 0.0001
        joined.write_last(b"1")
        joined.write_last(b"2")
        assert behind.data == [b"0"]
        await asyncio.sleep(0)
        assert behind.data == [b"0", b"12"]

    loop.run_until_complete(main())


def test_a_long_turn_is_written_in_parts(loop: Any) -> None:
    async def main() -> None:
        behind = Written()
        joined = JoinedWrites(behind)
        for number in range(6):
            joined.write(b"%d" % number)
            joined.write_if_due()
            loop.now += 0.0001
        assert len(behind.data) == 2
        await asyncio.sleep(0)
        assert b"".join(behind.data) == b"012345"

    loop.run_until_complete(main())
