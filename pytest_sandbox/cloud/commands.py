"""What is known of the commands that ran in the cloud, for the report of a failing test.

The cloud does not tell: this is what calls that passed by have said.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_sandbox._proto.inspector_pb2 import SandboxCommand
from pytest_sandbox._shared.filesystem_tool import TOOL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grpclib import GRPCError

#: The most commands of a run, and of one sandbox, that are remembered.
_MOST, _MOST_OF_TASK = 10_000, 200
#: Bytes of the end of each output that are remembered.
_TAIL = 64 * 1024


@dataclass
class CloudCommand:
    """One command.

    Attributes:
        argv: what was started.
        started: when, seconds of the monotonic clock.
        ended: when its end was told; `None` before.
        code: as a shell returns it; `None` until it was told.
        start_error: why it could not be started.
        outputs: the end of each output, as far as it was read.
        sizes: how many bytes of each were read.
    """

    argv: Sequence[str]
    started: float
    ended: float | None = None
    code: int | None = None
    start_error: str = ""
    outputs: tuple[bytearray, bytearray] = field(default_factory=lambda: (bytearray(), bytearray()))
    sizes: list[int] = field(default_factory=lambda: [0, 0])

    def message(self, since: float, tail: int, *, alive: bool) -> SandboxCommand:
        """The command for a report about a sandbox.

        Args:
            since: when the sandbox was created.
            tail: bytes of the end of each output.
            alive: whether the sandbox runs.
        """
        now = time.monotonic()
        out, err = (bytes(each[-tail:]) if tail else b"" for each in self.outputs)
        return SandboxCommand(
            argv=self.argv,
            started_after=max(0.0, self.started - since),
            seconds=(self.ended or now) - self.started,
            running=self.code is None and not self.start_error and alive,
            returncode=self.code or 0,
            stdout_tail=out,
            stderr_tail=err,
            stdout_bytes=self.sizes[0],
            stderr_bytes=self.sizes[1],
            start_error=self.start_error,
        )


class CommandHistory:
    """The commands of all sandboxes of a run, the newest of them."""

    def __init__(self) -> None:
        self._all: OrderedDict[tuple[str, str], CloudCommand] = OrderedDict()
        self._of_task: dict[str, deque[CloudCommand]] = {}

    def of_task(self, task_id: str) -> list[CloudCommand]:
        """Those of a task, in the order of their start."""
        return list(self._of_task.get(task_id, ()))

    def answered(self, rpc: str, request: Any, response: Any) -> None:
        """Take note of a call that succeeded."""
        if rpc == "TaskExecStart":
            self._started(request)
        elif rpc in ("TaskExecWait", "TaskExecPoll"):
            command = self._all.get((request.task_id, request.exec_id))
            how = response.WhichOneof("exit_status")
            if command is not None and how is not None and command.code is None:
                command.code = response.code if how == "code" else 128 + response.signal
                command.ended = time.monotonic()

    def failed(self, rpc: str, request: Any, error: GRPCError) -> None:
        """Take note of a call that failed."""
        if rpc == "TaskExecStart":
            command = self._started(request)
            if command is not None:
                command.start_error = error.message or error.status.name

    def output(self, request: Any, message: Any) -> None:
        """Take note of a part of an output that was read."""
        command = self._all.get((request.task_id, getattr(request, "exec_id", "")))
        if command is None:
            return
        which = int(request.file_descriptor)
        command.sizes[which] += len(message.data)
        kept = command.outputs[which]
        kept += message.data[-_TAIL:]
        del kept[:-_TAIL]

    def _started(self, request: Any) -> CloudCommand | None:
        key = (request.task_id, request.exec_id)
        if key in self._all:
            known = self._all[key]
            known.start_error = ""  # an attempt before had failed
            return known
        if request.command_args[:1] == [TOOL]:
            return None
        command = self._all[key] = CloudCommand(list(request.command_args), time.monotonic())
        of_task = self._of_task.setdefault(request.task_id, deque(maxlen=_MOST_OF_TASK))
        of_task.append(command)
        if len(self._all) > _MOST:
            self._all.popitem(last=False)
        return command
