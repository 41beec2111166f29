"""A helper that restores the processes of one sandbox, from its start on."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

from ...protocol import wire
from ...protocol.criu import ProcessesRestored, RestoreRequest, StreamsGiven
from ..links.criu_answer import criu_answer

if TYPE_CHECKING:
    from ...protocol.criu import DumpedState, GivenPipe
    from .snapshotter import Snapshotter


class RestoreHelper:
    """Starts CRIU for a sandbox as far as that goes without what only one who restores it has.

    Args:
        snapshotter: of the sandbox.
        state: of the processes.
        masters: numbers of the terminals whose masters are wanted.
        images: what CRIU wrote; closed when it is sent.

    Raises:
        OSError: the engine has no descriptors left for it.
        EngineUnavailable: the zygote died.
    """

    def __init__(
        self, snapshotter: Snapshotter, state: DumpedState, masters: list[int], images: int
    ) -> None:
        request = RestoreRequest(name=snapshotter.name, state=state, masters=masters)
        self._sock = snapshotter.begin_criu(request, (images,))

    def has_failed(self) -> bool:
        """Whether it cannot restore anything any more."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(0))

    async def restore(self, streams: list[GivenPipe], fds: tuple[int, ...]) -> list[int]:
        """Have it restore them; to be called once.

        Args:
            streams: which pipes take the place of which.
            fds: these pipes, which are closed once they are sent.

        Returns:
            The masters.

        Raises:
            OperationFailed: it cannot be done.
            OSError: what the kernel said.
        """
        with self._sock as sock:
            try:
                wire.send(sock, StreamsGiven(streams=streams), fds)
            except ConnectionError:
                pass  # what it said before it ended is the answer
            finally:
                wire.close_all(list(fds))
            _, masters = await criu_answer(sock, ProcessesRestored)
            return masters

    def close(self) -> None:
        """It is not needed, or is done: its part in the sandbox ends when this socket does."""
        self._sock.close()
