"""The methods of a sandbox for its end: waiting for it, and bringing it about."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from grpclib import GRPCError, Status

from pytest_sandbox._proto.common_pb2 import GenericResult
from pytest_sandbox._proto.extensions_pb2 import SandboxUsageRequest
from pytest_sandbox._proto.sandboxes_pb2 import (
    SandboxTerminateRequest,
    SandboxWaitRequest,
    SandboxWaitUntilReadyTcrRequest,
)
from pytest_sandbox._proto.sandboxes_v2_pb2 import SandboxGetStatsRequest
from pytest_sandbox._shared.command_text import exit_code_text

from ..exceptions import (
    SandboxTerminatedError,
    SandboxTimeoutError,
    ServiceError,
    TimeoutError,  # noqa: A004 - Modal's name
)
from ..logs.times import time_message
from ..sandbox_usage import SandboxUsage
from ..transport.calls import TIMEOUT
from ..transport.dual import dual
from ..transport.retries import ROUTER
from ..validation import check_seconds
from .stats import SandboxStats, sandbox_stats

if TYPE_CHECKING:
    from datetime import datetime

    from ..base_client import BaseClient
    from ..process.main_following import FollowedMain
    from ..process.task_calls import TaskCalls
    from ..transport.calls import Calls

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: For a call that waits as long as it is told, which the server answers with this status.
_WAIT = replace(ROUTER, answers=frozenset({Status.DEADLINE_EXCEEDED}))


def exit_code(result: GenericResult) -> int:
    """The code of a sandbox, or a sidecar, that has ended, as Modal's clients count."""
    if result.status == GenericResult.GENERIC_STATUS_TIMEOUT:
        return 124
    if result.status == GenericResult.GENERIC_STATUS_TERMINATED:
        return 137
    return result.exitcode


class LifetimeMethods:
    """Waits for the end of a sandbox, and ends it."""

    _id: str
    #: Whether it is of the second version of the API.
    _second: bool
    _client: BaseClient
    #: The same, also after `detach`.
    _lasting_client: BaseClient
    _task: TaskCalls
    #: The call that tells of its main process, if there is one.
    _followed: FollowedMain | None = None
    #: The id of its app, once it is known.
    _app: str = ""
    _result: GenericResult | None = None

    @dual
    async def wait(self, raise_on_termination: bool = True) -> None:
        """Wait until it has ended; `returncode` is set then.

        Args:
            raise_on_termination: whether a terminated sandbox is an error.

        Raises:
            SandboxTimeoutError: its time was up.
            SandboxTerminatedError: it was terminated.
            NotFoundError: its machine is gone, so nobody knows how it ended.
        """
        calls = self._lasting_client.calls
        result = self._told()
        while result is None:
            result = await self._ask(calls, calls.hold)
        if result.status == GenericResult.GENERIC_STATUS_TIMEOUT:
            raise SandboxTimeoutError(f"{self._id} reached its timeout=")
        if result.status == GenericResult.GENERIC_STATUS_TERMINATED and raise_on_termination:
            raise SandboxTerminatedError(f"{self._id} was terminated")

    @dual
    async def poll(self) -> int | None:
        """The `returncode`, asked for now: `None` while it runs.

        Raises:
            NotFoundError: its machine is gone, so nobody knows how it ended.
        """
        if self._told() is None:
            await self._ask(self._client.calls, 0)
        return self.returncode

    @dual
    async def terminate(self, *, wait: bool = False) -> int | None:
        """End it at once; does nothing if it has ended.

        Args:
            wait: ask how it ended too, and return its `returncode`; `None` otherwise.
        """
        request = SandboxTerminateRequest(sandbox_id=self._id)
        if self._followed is not None:
            self._followed.following.retire()
        await self._client.calls.control(
            lambda link: (
                link.control.SandboxTerminateV2 if self._second else link.control.SandboxTerminate
            ),
            request,
        )
        if not wait:
            return None
        await self.wait.core(raise_on_termination=False)
        return self.returncode

    @dual
    async def wait_until_ready(self, *, timeout: int = 300) -> None:
        """Wait until its `readiness_probe` has succeeded.

        Args:
            timeout: seconds to wait at most.

        Raises:
            TimeoutError: it was not ready in time; the message has the last failure of the probe.
            ConflictError: it has no probe, or has ended.
        """
        check_seconds("timeout", timeout)
        request = SandboxWaitUntilReadyTcrRequest(task_id=await self._task.id(), timeout=timeout)
        try:
            await self._task.call(
                lambda link: link.router.SandboxWaitUntilReady,
                request,
                backoff=_WAIT,
                timeout=timeout + TIMEOUT,
            )
        except ServiceError as error:
            cause = error.__context__
            if isinstance(cause, GRPCError) and cause.status is Status.DEADLINE_EXCEEDED:
                raise TimeoutError(str(error)) from None
            raise

    @dual
    async def usage(self) -> SandboxUsage:
        """What it used of the machine so far, or until it ended; Modal's sandboxes do not have it.

        Raises:
            NotFoundError: the server does not know it any more.
            UnimplementedError: the engine does not measure it, or it is not one of this package.
        """
        request = SandboxUsageRequest(sandbox_id=self._id)
        response = await self._client.calls.control(
            lambda link: link.extensions.SandboxUsage, request
        )
        return SandboxUsage.of(response)

    @dual
    async def _experimental_stats(
        self, *, since: datetime | None = None, until: datetime | None = None
    ) -> SandboxStats:
        """What it used over a time, as Modal's clients ask for it; `usage` tells more.

        Args:
            since: the beginning of that time; its creation if not given. Local time if it has no
                time zone.
            until: its end, likewise; now if not given.

        Raises:
            InvalidError: that is no time, or the beginning is not before the end.
            NotFoundError: the server does not know it any more.
        """
        request = SandboxGetStatsRequest(sandbox_id=self._id)
        if since is not None:
            request.since.CopyFrom(time_message("since", since))
        if until is not None:
            request.until.CopyFrom(time_message("until", until))
        response = await self._lasting_client.calls.control(
            lambda link: link.control.SandboxGetStats,
            request,  # of both versions, as at Modal
        )
        return sandbox_stats(response)

    @property
    def returncode(self) -> int | None:
        """Its exit code, once `wait` or `poll` has fetched it; `None` before.

        The exit code of the main process, 124 if its time was up, 137 if it was terminated.
        """
        return None if self._result is None else exit_code(self._result)

    def _end(self) -> str:
        """How it ended; empty if that is not known without asking the server."""
        if self._result is None:
            return ""
        if self._result.status == GenericResult.GENERIC_STATUS_TIMEOUT:
            return "timed out"
        if self._result.status == GenericResult.GENERIC_STATUS_TERMINATED:
            return "terminated"
        return exit_code_text(self._result.exitcode)

    def _told(self) -> GenericResult | None:
        """How it ended, if the server has said so without being asked."""
        if self._followed is None or self._followed.following.result is None:
            return None
        self._result = self._followed.following.result
        return self._result

    async def _ask(self, calls: Calls, hold: float) -> GenericResult | None:
        """How it ended, if it does within `hold` seconds."""
        request = SandboxWaitRequest(sandbox_id=self._id, timeout=hold)
        response = await calls.control(
            lambda link: link.control.SandboxWaitV2 if self._second else link.control.SandboxWait,
            request,
            timeout=hold + TIMEOUT,
        )
        self._app = response.metadata.app_id
        if response.result.status:
            self._result = response.result
        return self._result

    async def _known_app(self) -> tuple[BaseClient, str]:
        """Its client, and the id of its app."""
        if not self._app:
            await self._ask(self._lasting_client.calls, 0)
        return self._lasting_client, self._app
