"""What the zygote does with the filesystems of its sandboxes: keeping, swapping, mounting.

What may take long is done by helpers, one for each request, while the zygote serves others.
"""

from __future__ import annotations

import errno

from . import _copy, _swap
from ._errors import describe
from ._helper import Helper
from ._layers import check_room, is_quick_to_free, usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._box import Blueprint
    from ._boxes import Box
    from ._helper import Work
    from ._wire import Message


class Errand:
    """Something that a helper does.

    Attributes:
        work: for the helper.
        keep: descriptors that it needs.
        succeeded: called with the descriptors that it sent; returns the answer for the engine.
        failed: called if anything went wrong.
    """

    def __init__(
        self,
        work: Work,
        keep: list[int],
        succeeded: Callable[[list[int]], Message],
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        self.work = work
        self.keep = keep
        self.succeeded = succeeded
        self.failed = failed


class Workshop:
    """Does what the engine asks for, and answers it.

    Args:
        blueprint: how sandboxes are built.
        tell: sends a message to the engine.
    """

    def __init__(self, blueprint: Blueprint, tell: Callable[[Message], None]) -> None:
        self._blueprint = blueprint
        self._layers = blueprint.layers
        self._tell = tell
        #: Helpers at work, by descriptor; what for; and the request that is to be answered.
        self._helpers: dict[int, tuple[Helper, Errand, Message]] = {}
        self._errands = {"swap": self._swap, "copy": self._copy, "folder": self._folder}

    @property
    def pids(self) -> list[int]:
        """Of helpers at work."""
        return [helper.pid for helper, _, _ in self._helpers.values()]

    @property
    def fds(self) -> list[int]:
        """What to wait for: `serve` wants to know of each that is readable."""
        return list(self._helpers)

    def serve(self, fd: int) -> None:
        """A helper has answered."""
        helper, errand, message = self._helpers.pop(fd)
        try:
            self._answer(message, errand.succeeded(helper.answer()))
        except OSError as error:
            errand.failed()
            self._refuse(message, error)

    def begin(self, message: Message, box: Box, fds: list[int]) -> None:
        """Begin with a request about a sandbox."""
        try:
            self._send(self._errands[message["op"]](message, box, fds), message)
        except OSError as error:
            self._refuse(message, error)

    def keep(self, message: Message, box: Box) -> None:
        """Make a layer of the store of a sandbox that is dead."""
        try:
            check_room(usage(box.store), message["room"])
            self._answer(message, self._attach(message["layer"], box.store))
        except OSError as error:
            self._refuse(message, error)

    def refuse_ended(self, message: Message) -> None:
        """A request about a sandbox that is over."""
        self._refuse(message, OSError(errno.ESRCH, "the sandbox is over", message["name"]))

    def drop(self, message: Message) -> None:
        """Let go of a layer."""
        number = message["layer"]
        if is_quick_to_free(self._layers.usage(number)):
            self._layers.unmount(number)
            self._layers.forget(number)
            return

        def work() -> list[int]:
            self._layers.unmount(number)
            return []

        def unmounted(_: list[int]) -> Message:
            self._layers.forget(number)
            return {}

        self._send(Errand(work, [], unmounted), message)

    def _swap(self, message: Message, box: Box, fds: list[int]) -> Errand:
        number, mounts = message["layer"], box.mounts
        stack = [number, *box.stack]
        check_room(usage(box.store), message["room"])
        answer = self._attach(number, box.store)

        def succeeded(fds: list[int]) -> Message:
            box.renew(fds[0])
            box.stack = stack
            return answer

        def failed() -> None:
            box.renew(self._layers.open(number))
            self._layers.unmount(number)
            self._layers.forget(number)

        def work() -> list[int]:
            return [_swap.swap(self._blueprint, stack, mounts)]

        return Errand(work, [mounts], succeeded, failed)

    def _copy(self, message: Message, box: Box, fds: list[int]) -> Errand:
        room, mounts, store = message["room"], box.mounts, box.store
        check_room(usage(store), room)

        def work() -> list[int]:
            return [_copy.copy_store(self._blueprint, room, mounts, store)]

        return self._for_layer(message, work, [mounts, store])

    def _folder(self, message: Message, box: Box, fds: list[int]) -> Errand:
        room, mounts, folder = message["room"], box.mounts, fds[0]

        def work() -> list[int]:
            return [_copy.copy_folder(self._blueprint, room, mounts, folder)]

        return self._for_layer(message, work, [mounts, folder])

    def _for_layer(self, message: Message, work: Work, keep: list[int]) -> Errand:
        """An errand that gets a new layer."""
        return Errand(work, keep, lambda fds: self._attach(message["layer"], fds[0]))

    def _attach(self, number: int, store: int) -> Message:
        self._layers.attach(number, store)
        return {"used": self._layers.usage(number)}

    def _send(self, errand: Errand, message: Message) -> None:
        try:
            helper = Helper(errand.work, errand.keep)
        except OSError:
            errand.failed()
            raise
        self._helpers[helper.fileno()] = helper, errand, message

    def _answer(self, message: Message, answer: Message) -> None:
        self._tell({"answer": message["id"], "ok": answer})

    def _refuse(self, message: Message, error: OSError) -> None:
        self._tell({"answer": message["id"], "error": describe(error)})
