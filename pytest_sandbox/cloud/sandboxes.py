"""The sandboxes of this run in the cloud: every one has a bounded life, a tag, and an end."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grpclib import GRPCError, Status

from pytest_sandbox._proto.sandboxes_pb2 import (
    SandboxListRequest,
    SandboxTag,
    SandboxTerminateRequest,
)

from .live import RUN_TAG

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .control import ControlPlane
    from .live import LiveFile

log = logging.getLogger("pytest_sandbox.cloud")

#: Seconds in which a sandbox must be ended: the end of a run waits for it.
_END_TIMEOUT = 5.0
#: The most sandboxes that are ended at a time.
_AT_A_TIME = 32
#: The id of a sandbox of the first version of the API.
_FIRST_ID = re.compile(r"sb-[0-9A-Za-z]{22}")


@dataclass
class CloudSandbox:
    """A sandbox of this run.

    Attributes:
        id: of Modal.
        second: whether it is of the second version of the API.
        image: the id of its image.
        name: its name; empty if it has none.
        timeout: seconds after which Modal ends it.
        created: when, seconds of the monotonic clock.
        task_id: of its task; empty until it is known.
        end: how it ended, in words; empty while it runs, as far as is known.
        ended: when that was told, as `created`.
    """

    id: str
    second: bool
    image: str = ""
    name: str = ""
    timeout: int = 0
    created: float = 0.0
    task_id: str = ""
    end: str = ""
    ended: float = 0.0


class CloudSandboxes:
    """The sandboxes of this run.

    Args:
        control: Modal.
        live: the file that names them.
    """

    def __init__(self, control: ControlPlane, live: LiveFile) -> None:
        self._control = control
        self._live = live
        self._all: dict[str, CloudSandbox] = {}
        self._of_task: dict[str, CloudSandbox] = {}
        #: Whether a call that creates was given up, so that Modal may have one that we do not know.
        self._unsure = False

    @property
    def tag(self) -> SandboxTag:
        """The tag that each of them has."""
        return SandboxTag(tag_name=RUN_TAG, tag_value=self._live.run)

    def all(self) -> list[CloudSandbox]:
        """All of them, the oldest first."""
        return list(self._all.values())

    def running(self) -> list[CloudSandbox]:
        """Those whose end was not told."""
        return [each for each in self._all.values() if not each.end]

    def find(self, sandbox_id: str) -> CloudSandbox:
        """One of them.

        Raises:
            GRPCError: NOT_FOUND.
        """
        if sandbox_id not in self._all:
            raise GRPCError(Status.NOT_FOUND, f"Sandbox {sandbox_id!r} is not one of this run")
        return self._all[sandbox_id]

    def get(self, sandbox_id: str) -> Any:
        """For faults that end sandboxes, which the cloud does not let anybody have.

        Raises:
            GRPCError: UNIMPLEMENTED.
        """
        raise GRPCError(
            Status.UNIMPLEMENTED,
            "a sandbox in Modal's cloud cannot be lost, or run out of memory, by plan: terminate "
            "it, or run the test on another engine",
        )

    def id_of_task(self, task_id: str) -> str:
        """The id of the sandbox of a task; empty if there is none."""
        found = self._of_task.get(task_id)
        return "" if found is None else found.id

    def begun(self, sandbox: CloudSandbox) -> None:
        """Take one over that was created."""
        if sandbox.id in self._all:
            return  # a repeated call
        self._live.begun(sandbox.id)
        sandbox.created = time.monotonic()
        self._all[sandbox.id] = sandbox
        if sandbox.task_id:
            self.has_task(sandbox.id, sandbox.task_id)

    def given_up(self) -> None:
        """A call that creates one was given up: nobody knows whether it did."""
        self._unsure = True

    def has_task(self, sandbox_id: str, task_id: str) -> None:
        """Take note of the task of a sandbox."""
        sandbox = self._all.get(sandbox_id)
        if sandbox is not None and task_id:
            sandbox.task_id = task_id
            self._of_task[task_id] = sandbox

    def over(self, sandbox_id: str, how: str) -> None:
        """Take note of the end of a sandbox."""
        sandbox = self._all.get(sandbox_id)
        if sandbox is not None and not sandbox.end:
            sandbox.end, sandbox.ended = how, time.monotonic()
            self._live.ended(sandbox_id)

    async def terminate(self, sandbox: CloudSandbox) -> None:
        """End one.

        Raises:
            GRPCError: that cannot be done.
        """
        await terminate(self._control, sandbox.id, second=sandbox.second)
        self.over(sandbox.id, "terminated")

    async def close(self) -> None:
        """End all of them; those that cannot be ended stay in the file, for the next run."""
        left = await end_all(self._control, [(each.id, each.second) for each in self.running()])
        for sandbox in self.running():
            if sandbox.id not in left:
                self.over(sandbox.id, "terminated")
        if self._unsure:
            found = await tagged(self._control, self._live.run)
            unknown = [each for each in found if each not in self._all]
            left |= await end_all(self._control, [(each, is_second(each)) for each in unknown])
        if not left:
            self._live.remove()


async def terminate(control: ControlPlane, sandbox_id: str, *, second: bool) -> None:
    """End a sandbox, whoever created it; one that has ended, or never was, is no error.

    Raises:
        GRPCError: that cannot be done.
    """
    rpc = "SandboxTerminateV2" if second else "SandboxTerminate"
    request = SandboxTerminateRequest(sandbox_id=sandbox_id)
    try:
        await control.ask(rpc, request, timeout=_END_TIMEOUT)
    except GRPCError as error:
        if error.status is not Status.NOT_FOUND:
            raise


async def end_all(control: ControlPlane, ids: Iterable[tuple[str, bool]]) -> set[str]:
    """End sandboxes, each with whether it is of V2; the ids of those that could not be ended."""
    room = asyncio.Semaphore(_AT_A_TIME)
    left: set[str] = set()

    async def end(sandbox_id: str, second: bool) -> None:
        async with room:
            try:
                await terminate(control, sandbox_id, second=second)
            except GRPCError as error:
                left.add(sandbox_id)
                log.error("sandbox %s could not be terminated: %s", sandbox_id, error)

    await asyncio.gather(*(end(*each) for each in ids))
    return left


async def tagged(control: ControlPlane, run: str) -> list[str]:
    """The ids of the running sandboxes of a run, as Modal lists them: perhaps not all yet.

    Raises:
        GRPCError: it cannot be asked.
    """
    ids: dict[str, None] = {}
    request = SandboxListRequest(
        environment_name=control.settings.environment,
        tags=[SandboxTag(tag_name=RUN_TAG, tag_value=run)],
    )
    while True:
        page = (await control.ask("SandboxListV2", request)).sandboxes
        known = len(ids)
        ids.update(dict.fromkeys(each.id for each in page))
        # Also where a server says the same again and again, this ends.
        if len(ids) == known or page[-1].created_at == request.before_timestamp:
            return list(ids)
        request.before_timestamp = page[-1].created_at


def is_second(sandbox_id: str) -> bool:
    """Whether the id of a sandbox is one of the second version of the API, by its shape."""
    return _FIRST_ID.fullmatch(sandbox_id) is None
