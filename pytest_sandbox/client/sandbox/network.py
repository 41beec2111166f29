"""The network of a running sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._proto.router_pb2 import TaskSetNetworkAccessRequest

from ..transport.dual import dual
from .resources import network_access

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..process.task_calls import TaskCalls

__tracebackhide__ = True  # a failing test shows the caller's line, not these


class NetworkMethods:
    """Where connections of a sandbox may lead."""

    _task: TaskCalls

    @dual
    async def _experimental_set_outbound_network_policy(
        self,
        *,
        outbound_cidr_allowlist: Sequence[str] | None = None,
        outbound_domain_allowlist: Sequence[str] | None = None,
    ) -> None:
        """Allow other connections than before; those that no longer are end with a reset.

        A sandbox that was created without a network has one from then on.

        Args:
            outbound_cidr_allowlist: as in `create`.
            outbound_domain_allowlist: as in `create`. Without any list, all public addresses are
                allowed.

        Raises:
            InvalidError: a list makes no sense.
            NotFoundError: the sandbox is gone.
        """
        access = network_access(
            False, None, None, outbound_cidr_allowlist, outbound_domain_allowlist
        )
        request = TaskSetNetworkAccessRequest(task_id=await self._task.id(), network_access=access)
        await self._task.call(lambda link: link.router.TaskSetNetworkAccess, request)
