"""Requests that are under way, and what they wait for."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from pytest_sandbox._shared.async_tasks import undo_when_done
from pytest_sandbox._shared.kept_errors import to_raise

from ..protocol import foreign
from ..protocol.common import Failed
from ..protocol.message import BadMessage, Message

if TYPE_CHECKING:
    A = TypeVar("A", bound=Message)
    #: The answer, and the descriptors beside it.
    Answer: TypeAlias = tuple[A, list[int]]


class PendingAnswers:
    """Numbers requests, and gives each its answer."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._pending: dict[int, tuple[type[Message], asyncio.Future[Any]]] = {}

    def add(self, expected: type[A]) -> tuple[int, asyncio.Future[Answer[A]]]:
        """A number for a new request, and the answer to come.

        Args:
            expected: what it is answered with, if it does not fail.
        """
        number = next(self._numbers)
        answer: asyncio.Future[Answer[A]] = asyncio.get_running_loop().create_future()
        self._pending[number] = expected, answer
        return number, answer

    def settle(self, number: int, message: Message, fds: list[int]) -> None:
        """An answer has come; the descriptors of one that nothing waits for are closed.

        Raises:
            BadMessage: it does not answer this request.
        """
        expected, answer = self._pending.get(number, (Message, None))
        if not isinstance(message, (expected, Failed)):
            foreign.close(fds)
            kind = type(message).__name__
            raise BadMessage(f"request {number} wants {expected.__name__}, not {kind}", number)
        self._pending.pop(number, None)
        if answer is None or answer.done():
            foreign.close(fds)
        elif isinstance(message, Failed):
            answer.set_exception(message.error.error())
        else:
            answer.set_result((message, fds))

    def drop(self, number: int) -> None:
        """There will be no such answer."""
        self._pending.pop(number, None)

    def fail(self, error: Exception) -> None:
        """No request is answered any more."""
        pending, self._pending = self._pending, {}
        for _, answer in pending.values():
            set_error(answer, to_raise(error))  # what one caller is raised, holds its frames


async def wait_for(answer: asyncio.Future[Answer[A]]) -> Answer[A]:
    """The answer; if the caller is cancelled, descriptors that come nevertheless are closed."""
    try:
        return await answer
    except asyncio.CancelledError:
        ignore(answer)  # it may be there already
        raise


def ignore(answer: asyncio.Future[Answer[A]]) -> None:
    """Close the descriptors that come with an answer that nothing waits for."""
    undo_when_done(answer, lambda message_and_fds: foreign.close(message_and_fds[1]))


def set_error(future: asyncio.Future[Any], error: Exception) -> None:
    """Let a future fail, unless it is done; asyncio does not complain if nothing awaits it."""
    if not future.done():
        future.set_exception(error)
        future.exception()
