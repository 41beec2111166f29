"""What the zygote does with the filesystems of its sandboxes: keeping, swapping, mounting.

What may take long is done by helpers, one for each request, while the zygote serves others.
"""

from __future__ import annotations

import contextlib
import errno
import os

from ..filesystem.layers import check_room, is_quick_to_free
from ..kernel.errors import describe
from ..kernel.tmpfs import usage
from . import archive, copy_store, directories, swap
from .helper import Helper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..agent.bootstrap import Blueprint
    from ..wire import Message
    from .helper import Work
    from .sandbox import Box


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
        users: the user namespace of sandboxes, as a descriptor; no process is in it.
        tell: sends a message to the engine.
    """

    def __init__(
        self, blueprint: Blueprint, users: Callable[[], int], tell: Callable[[Message], None]
    ) -> None:
        self._blueprint = blueprint
        self._users = users
        self._layers = blueprint.layers
        self._tell = tell
        #: Helpers at work, by descriptor; what for; and the request that is to be answered.
        self._helpers: dict[int, tuple[Helper, Errand, Message]] = {}
        self._errands = {
            "swap": self._swap,
            "copy": self._copy,
            "folder": self._folder,
            "mount": self._mount,
            "unmount": self._unmount,
        }

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

    def begin(self, message: Message, box: Box | None, fds: list[int]) -> None:
        """Begin with a request, about a sandbox or not."""
        try:
            self._send(self._errand(message, box, fds), message)
        except OSError as error:
            self._refuse(message, error)

    def _errand(self, message: Message, box: Box | None, fds: list[int]) -> Errand:
        if message["op"] == "export":
            return self._export(message, fds[0])
        if message["op"] == "load":
            return self._load(message, fds[0])
        if box is None:
            raise OSError(errno.ESRCH, "the sandbox is over", "")
        return self._errands[message["op"]](message, box)

    def keep(self, message: Message, box: Box) -> None:
        """Make a layer of the store of a sandbox that is dead."""
        try:
            check_room(usage(box.store), message["room"])
            self._answer(message, self._attach(message["layer"], box.store))
        except OSError as error:
            self._refuse(message, error)

    def drop(self, message: Message) -> None:
        """Let go of a layer or a volume."""
        there = self._layers if message["what"] == "layer" else self._blueprint.volumes
        number = message["number"]

        def work() -> list[int]:
            there.unmount(number)
            return []

        def unmounted(_: list[int]) -> Message:
            there.forget(number)
            return {}

        if not is_quick_to_free(there.usage(number)):
            with contextlib.suppress(OSError):  # there may be no process for it
                self._send(Errand(work, [], unmounted), message)
                return
        unmounted(work())

    def _export(self, message: Message, pipe: int) -> Errand:
        """Write layers to a pipe."""
        users, stack = self._users(), message["layers"]

        def work() -> list[int]:
            archive.write(self._blueprint, users, stack, pipe)
            return []

        return Errand(work, [users, pipe], lambda _: {})

    def _load(self, message: Message, pipe: int) -> Errand:
        """Make a layer of what comes from a pipe."""
        users, room = self._users(), message["room"]

        def work() -> list[int]:
            return [archive.read(self._blueprint, users, room, pipe)]

        return self._for_layer(message, work, [users, pipe])

    def _swap(self, message: Message, box: Box) -> Errand:
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
            return [swap.swap(self._blueprint, stack, mounts)]

        return Errand(work, [mounts], succeeded, failed)

    def _copy(self, message: Message, box: Box) -> Errand:
        room, mounts, store = message["room"], box.mounts, box.store
        check_room(usage(store), room)

        def work() -> list[int]:
            return [copy_store.copy_store(self._blueprint, room, mounts, store)]

        return self._for_layer(message, work, [mounts, store])

    def _folder(self, message: Message, box: Box) -> Errand:
        room, mounts, path = message["room"], box.mounts, message["path"]

        def work() -> list[int]:
            return [directories.copy_folder(self._blueprint, room, mounts, path)]

        return self._for_layer(message, work, [mounts])

    def _mount(self, message: Message, box: Box) -> Errand:
        stack, mounts, path = message["layers"], box.mounts, message["path"]

        def work() -> list[int]:
            directories.mount_folder(self._blueprint, stack, mounts, path)
            return []

        return Errand(work, [mounts], lambda _: {})

    def _unmount(self, message: Message, box: Box) -> Errand:
        mounts, path = box.mounts, message["path"]

        def work() -> list[int]:
            directories.unmount_folder(mounts, path)
            return []

        return Errand(work, [mounts], lambda _: {})

    def _for_layer(self, message: Message, work: Work, keep: list[int]) -> Errand:
        """An errand that gets a new layer."""

        def succeeded(fds: list[int]) -> Message:
            try:
                return self._attach(message["layer"], fds[0])
            finally:
                os.close(fds[0])

        return Errand(work, keep, succeeded)

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
