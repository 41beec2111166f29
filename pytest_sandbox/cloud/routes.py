"""The command routers of tasks: where they are at Modal, and the tokens for them.

Tests get tokens of this process, not Modal's. Which task a call is about, its token says.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from grpclib import GRPCError, Status

from pytest_sandbox._proto.containers_pb2 import TaskGetCommandRouterAccessRequest
from pytest_sandbox._proto.sandboxes_v2_pb2 import SandboxGetCommandRouterAccessRequest

from .transport.auth_token import expiry_of
from .transport.connections import Connections

if TYPE_CHECKING:
    from .control import ControlPlane

#: Seconds before its expiry from which on a token is renewed, or half of its life if that is less.
_MARGIN = 30.0
#: Seconds for which connecting is repeated: the machine of a new task may still start.
_PATIENCE = 310.0


@dataclass(frozen=True)
class RouterAccess:
    """The command router of a task.

    Attributes:
        url: where it is.
        token: for it.
        renew_at: when the token is to be renewed, seconds since the epoch; one that had expired
            when it came is used until it is refused: the clock of this machine may be wrong.
    """

    url: str
    token: str = field(repr=False)
    renew_at: float

    @classmethod
    def of(cls, url: str, token: str) -> RouterAccess:
        """What Modal answered."""
        expiry, now = expiry_of(token), time.time()
        if expiry is None or expiry <= now:
            return cls(url, token, float("inf"))
        return cls(url, token, max(expiry - _MARGIN, now + (expiry - now) / 2))

    @property
    def lasts(self) -> bool:
        """Whether the token need not be renewed yet."""
        return time.time() < self.renew_at


class Routes:
    """The command routers of all tasks of a run.

    Args:
        control: to ask.
    """

    def __init__(self, control: ControlPlane) -> None:
        self._control = control
        self._of_task: dict[str, RouterAccess] = {}
        #: Sandboxes of the second version of the API, by their tasks.
        self._second: dict[str, str] = {}
        self._servers: dict[str, Connections] = {}
        self._asking = asyncio.Lock()

    def know(self, task_id: str, url: str, token: str, *, second: str = "") -> None:
        """Remember what Modal answered about a task; `second` is its sandbox, if it is of V2."""
        self._of_task[task_id] = RouterAccess.of(url, token)
        if second:
            self._second[task_id] = second

    async def access(self, task_id: str, refused: RouterAccess | None = None) -> RouterAccess:
        """The router of a task, with a token that is valid, and not the one that was refused.

        Raises:
            GRPCError: Modal gives none.
        """
        known = self._of_task.get(task_id)
        if known is not None and known.lasts and known != refused:
            return known
        async with self._asking:
            known = self._of_task.get(task_id)
            if known is None or not known.lasts or known == refused:
                known = self._of_task[task_id] = await self._ask(task_id)
        return known

    def server(self, access: RouterAccess) -> Connections:
        """The connections to a router.

        Raises:
            GRPCError: it is without TLS, and Modal is not.
        """
        secure = all(each.startswith("https:") for each in self._control.settings.server_urls)
        if secure and not access.url.startswith("https://"):
            raise GRPCError(
                Status.FAILED_PRECONDITION,
                f"Modal names {access.url!r} as the server of a sandbox's commands: without TLS, "
                "everybody on the way would see them and the token for them, so nothing was sent. "
                "Try again with a new sandbox, and tell Modal if that does not help",
            )
        if access.url not in self._servers:
            self._servers[access.url] = Connections([access.url], _PATIENCE)
        return self._servers[access.url]

    def close(self) -> None:
        """Close all connections."""
        for server in self._servers.values():
            server.close()

    async def _ask(self, task_id: str) -> RouterAccess:
        sandbox_id = self._second.get(task_id)
        if sandbox_id:
            second = SandboxGetCommandRouterAccessRequest(sandbox_id=sandbox_id)
            answer = await self._control.ask("SandboxGetCommandRouterAccess", second)
        else:
            first = TaskGetCommandRouterAccessRequest(task_id=task_id)
            answer = await self._control.ask("TaskGetCommandRouterAccess", first)
        return RouterAccess.of(answer.url, answer.jwt)
