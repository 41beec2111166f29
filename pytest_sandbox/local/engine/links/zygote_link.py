"""The engine's conversation with its zygote: start it, have sandboxes made and ended."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Protocol, TypeVar

from pytest_sandbox.engine import EngineUnavailable

from ...agents.channel import Channel
from ...agents.pending_answers import PendingAnswers, set_error, wait_for
from ...protocol import zygote as messages
from ...protocol.common import DescriptorAnswer, Succeeded
from ...protocol.images import AddImageLayerRequest
from ...protocol.message import Message
from ...protocol.setup import IdsGiven
from ...protocol.wire import close_all
from ..machine import ids
from .criu_answer import criu_answer
from .setup_request import setup_request, shift
from .zygote_process import started

if TYPE_CHECKING:
    from ...agents.pending_answers import Answer
    from ...options import LocalOptions, Mode
    from ...protocol.criu import DumpRequest, RestoreRequest
    from ..machine.find_criu import Criu
    from ..machine.host_image import HostImage
    from .zygote_process import ZygoteProcess

A = TypeVar("A", bound=Message)


class SandboxOwner(Protocol):
    """What is told of a sandbox's end: the engine's task."""

    async def kill(self) -> None:
        """End the sandbox and return when nothing of it can run any more."""

    def born(self, *, ahead: bool) -> None:
        """It has a PID 1.

        Args:
            ahead: whether that was made ahead, as a blank.
        """

    def ended(
        self,
        *,
        out_of_memory: bool = False,
        failed: OSError | None = None,
        lost: str = "",
    ) -> None:
        """Nothing of the sandbox can run any more.

        Args:
            out_of_memory: the kernel killed a process of it for memory.
            failed: why it could not even be forked.
            lost: why it ended, if neither it nor we wanted that.
        """

    def gone(self, used: messages.Figures | None) -> None:
        """Nothing of it is left; what it used is known now, or never will be."""


class ZygoteLink:
    """One zygote, in one mode, and the sandboxes that it made.

    Args:
        mode: how its sandboxes are isolated from the machine.
        options: the engine's settings.
        image: what its sandboxes show of the machine.
        criu: what dumps and restores their processes, if that is wanted.

    Attributes:
        mode: the mode.
        controllers: cgroup controllers that it can use.
        refused: why it cannot use the others.
        cgroups: paths of the groups that it made.
        read_only: folders of the machine that could have no layer, and why.
        left_out: folders of the machine that do not show, and why.
        no_hostname: why sandboxes cannot have a host name of their own; empty if they can.
        no_gpus: what of the GPUs cannot be used, and why, by path in a sandbox.
        no_images: why sandboxes cannot be made of layers of images; empty if they can.
    """

    def __init__(
        self, mode: Mode, options: LocalOptions, image: HostImage, criu: Criu | None = None
    ) -> None:
        self.mode = mode
        self.controllers: list[str] = []
        self.refused: dict[str, str] = {}
        self.cgroups: list[str] = []
        self.read_only: dict[str, str] = {}
        self.left_out: dict[str, str] = {}
        self.no_hostname = ""
        self.no_gpus: dict[str, str] = {}
        self.no_images = ""
        self._setup = setup_request(mode, options, image, criu)
        self._tasks: dict[str, SandboxOwner] = {}
        #: Those that have ended, while something of them is left.
        self._ending: dict[str, SandboxOwner] = {}
        self._pids: dict[str, int] = {}
        self._answers = PendingAnswers()
        self._channel: Channel | None = None
        self._process: ZygoteProcess | None = None
        self._death = ""
        self._gone = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """Of the zygote, once it is started."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start the zygote; return when it can make sandboxes.

        Raises:
            OSError: the step of its preparation that the kernel refused.
            IdsRefused: the machine does not give it the ids for its mode.
            EngineUnavailable: it died.
        """
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        process = started()
        try:
            self._channel = Channel(
                process.socket, messages.ZYGOTE_TO_ENGINE, self._on_message, self._on_close
            )
        except OSError:
            process.give_up()
            raise
        self._process = process
        self._channel.send(self._setup)
        await self._ready

    def create(
        self, task: SandboxOwner, request: messages.CreateRequest, sock: socket.socket
    ) -> None:
        """Have a sandbox made whose agent talks over `sock`.

        Raises:
            EngineUnavailable: the zygote died.
        """
        self._send(request, (sock.detach(),), number=int(request.name))
        self._tasks[request.name] = task

    def keep_blank(self, processes: int, memory: int, cpus: float | None) -> None:
        """Have a PID 1 made ahead, with such limits, unless there is one."""
        self._tell(messages.KeepBlankRequest(processes=processes, memory=memory, cpus=cpus))

    def drop_blank(self) -> None:
        """Have that ended before anything that is asked for later."""
        self._tell(messages.DropBlankRequest())

    def answer_to_come(self, answer: type[A]) -> tuple[int, asyncio.Future[Answer[A]]]:
        """A number for an answer besides that to the request which names it, and that answer."""
        return self._answers.add(answer)

    def no_answer(self, number: int) -> None:
        """What `answer_to_come` promised does not come."""
        self._answers.drop(number)

    def kill(self, name: str) -> None:
        """Have a sandbox killed."""
        self._tell(messages.KillRequest(name=name))

    def free_agent(self, name: str, kill: bool) -> None:
        """Have what an agent waits for resumed, if a program stops it, or killed."""
        self._tell(messages.FreeAgentRequest(name=name, kill=kill))

    async def usage(self, name: str) -> messages.Figures:
        """What a sandbox used so far; see `request`."""
        answer = await self.request(messages.UsageRequest(name=name), messages.UsageAnswer)
        return answer.figures

    async def request(self, request: Message, answer: type[A], fds: tuple[int, ...] = ()) -> A:
        """Ask the zygote for something.

        Args:
            request: the request.
            answer: what it is answered with.
            fds: descriptors beside it, which are closed once they are sent.

        Raises:
            OSError: what the kernel said.
            EngineUnavailable: the zygote died.
        """
        value, passed = await self._request(request, answer, fds)
        close_all(passed)
        return value

    async def open_outlet(self, name: str) -> list[int]:
        """The sockets of a way out of a sandbox that had none; see `request`."""
        request = messages.OutletRequest(name=name)
        _, sockets = await self._request(request, messages.OutletMade, ())
        return sockets

    async def lend_layer(self, layer: int) -> int:
        """A layer, as a mount, for another zygote; see `request`."""
        request = messages.LendLayerRequest(layer=layer)
        _, (store,) = await self._request(request, DescriptorAnswer, ())
        return store

    async def take_layer(self, layer: int, store: int, lender: ZygoteLink) -> None:
        """Have a layer that another zygote lends; see `request`."""
        request = messages.TakeLayerRequest(layer=layer, shift=shift(lender.mode))
        await self.request(request, Succeeded, (store,))

    async def add_image_layer(self, layer: int, folder: str) -> None:
        """Have a layer of an image, which is on disk; see `request`.

        Args:
            layer: its number.
            folder: relative to that of all images.
        """
        request = AddImageLayerRequest(layer=layer, folder=folder)
        await self.request(request, Succeeded)

    async def run_criu(self, request: DumpRequest, answer: type[A]) -> Answer[A]:
        """Have the processes of a sandbox dumped; as `request`.

        Returns:
            The answer, and the descriptors beside it.

        Raises:
            OperationFailed: it cannot be done.
        """
        with self.begin_criu(request) as ours:
            return await criu_answer(ours, answer)

    def begin_criu(
        self, request: DumpRequest | RestoreRequest, fds: tuple[int, ...] = ()
    ) -> socket.socket:
        """Have a helper started for the processes of a sandbox; a socket to that.

        Args:
            request: the request.
            fds: descriptors beside it, which are closed once they are sent.

        Raises:
            OSError: there are no descriptors left.
            EngineUnavailable: the zygote died.
        """
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:
            close_all(list(fds))
            raise
        try:
            self._send(request, (theirs.detach(), *fds))
        except BaseException:
            ours.close()
            raise
        return ours

    def drop_layer(self, layer: int) -> None:
        """Have a layer freed."""
        self._tell(messages.DropLayerRequest(number=layer))

    def drop_volume(self, volume: int) -> None:
        """Have a volume freed."""
        self._tell(messages.DropVolumeRequest(number=volume))

    async def close(self) -> None:
        """End every sandbox, then the zygote; return when nothing is left."""
        await asyncio.gather(*(task.kill() for task in list(self._tasks.values())))
        if self._channel is not None:
            self._channel.close()
            await self._gone.wait()

    async def _request(self, request: Message, answer: type[A], fds: tuple[int, ...]) -> Answer[A]:
        number, future = self._answers.add(answer)
        self._send(request, fds, number=number)
        return await wait_for(future)

    def _tell(self, message: Message) -> None:
        """Send what is not answered; to a zygote that is gone, there is nothing to say."""
        if self._channel is not None:
            self._channel.send(message)

    def _send(self, message: Message, fds: tuple[int, ...], *, number: int = 0) -> None:
        if self._channel is None or self._channel.closed:
            close_all(list(fds))
            raise EngineUnavailable(f"the engine's zygote is gone: {self._death}")
        self._channel.send(message, fds, number=number)

    def _on_message(self, message: Message, number: int, fds: list[int]) -> None:
        if isinstance(message, messages.SandboxEnded):
            self._on_ended(message)
        elif isinstance(message, messages.SandboxGone):
            self._on_gone(message.name, message.used)
        elif isinstance(message, messages.SandboxBorn):
            self._pids[message.name] = message.pid
            if (task := self._tasks.get(message.name)) is not None:
                task.born(ahead=message.ahead)
        elif isinstance(message, messages.UserNamespaceEntered):
            self._give_ids()
        elif isinstance(message, messages.ZygoteReady):
            self.controllers = message.controllers
            self.refused = message.refused
            self.cgroups = message.cgroups
            self.read_only = message.read_only
            self.left_out = message.left_out
            self.no_gpus = message.no_gpus
            self.no_images = message.no_images
            self.no_hostname = message.no_hostname
            self._ready.set_result(None)
        elif isinstance(message, messages.SetupFailed):
            self._ready.set_exception(message.error.error())
        else:
            self._answers.settle(number, message, fds)

    def _give_ids(self) -> None:
        try:
            ids.give(self.mode, self.pid)
        except ids.IdsRefused as refusal:
            self._ready.set_exception(refusal)
        else:
            self._tell(IdsGiven())

    def _on_ended(self, message: messages.SandboxEnded) -> None:
        task = self._tasks.pop(message.name, None)
        if task is None:
            return
        self._ending[message.name] = task
        failed = None if message.failed is None else message.failed.error()
        task.ended(out_of_memory=message.out_of_memory, failed=failed)
        if failed is not None or message.used is not None:
            self._on_gone(message.name, message.used)

    def _on_gone(self, name: str, used: messages.Figures | None) -> None:
        self._pids.pop(name, None)
        task = self._ending.pop(name, None)
        if task is not None:  # else it could not be made, so nobody waits for that
            task.gone(used)

    def _on_close(self, broken: str) -> None:
        self._watcher = asyncio.get_running_loop().create_task(self._clear_up(broken))

    async def _clear_up(self, broken: str) -> None:
        """The zygote is gone or going: wait for that, and clean up what it could not."""
        self._death = broken
        if self._process is not None:
            wait = self._process.wait_until_gone
            # On a thread: it waits for processes that are not ours, of which asyncio would not
            # hear.
            words = await asyncio.to_thread(wait, list(self._pids.values()), self.cgroups)
            self._death = broken or words
        gone = EngineUnavailable(f"the zygote died: {self._death}")
        set_error(self._ready, gone)
        self._answers.fail(gone)
        for task in list(self._tasks.values()):
            task.ended(lost=f"the engine's zygote died: {self._death}")
        for task in (*self._tasks.values(), *self._ending.values()):
            task.gone(None)
        self._tasks.clear()
        self._ending.clear()
        self._gone.set()
