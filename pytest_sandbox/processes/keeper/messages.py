"""Between the engine and the keeper.

The engine begins with `KeeperSetup`; the keeper answers with `KeeperReady`, or `KeeperFailed` and
then it ends. After that the engine asks for tasks, and for their end, and the keeper tells of each
with `AgentStarted` and `AgentGone`. When the engine closes the socket, the keeper ends, and every
task with it.
"""

from __future__ import annotations

# Parts of messages are looked up by name.
from pytest_sandbox.local.protocol.common import KernelError  # noqa: TC001
from pytest_sandbox.local.protocol.message import Message
from pytest_sandbox.local.protocol.wire import family


class KeeperSetup(Message):
    """What all tasks have.

    Attributes:
        folder: where they have their folders; it exists, and is removed at the end.
        landlock: whether Landlock is used if the kernel has it.
        ports: TCP ports that programs may connect to, where Landlock can forbid others.
    """

    folder: str
    landlock: bool
    ports: list[int]


class StartAgentRequest(Message, descriptors=1):
    """Make a task; beside it the agent's socket to the engine, over which the agent tells more.

    Attributes:
        name: the number of the task, and the name of its folder.
        processes: how many processes and threads it may have, if that can be limited.
    """

    name: int
    processes: int


class EndAgentRequest(Message):
    """End a task, if it is there; followed by `AgentGone`."""

    name: int


ENGINE_TO_KEEPER = family(KeeperSetup, StartAgentRequest, EndAgentRequest)


class KeeperReady(Message):
    """Tasks can be made.

    Attributes:
        landlock: the version of Landlock that is used; 0 for none.
        own_ids: whether each task has a user id of its own.
        filtered: whether system calls are filtered.
    """

    landlock: int
    own_ids: bool
    filtered: bool


class KeeperFailed(Message):
    """Tasks cannot be made here; says why."""

    reason: str


class AgentStarted(Message):
    """A task is under way.

    Attributes:
        name: of the task.
        pid: of its agent.
    """

    name: int
    pid: int


class AgentGone(Message):
    """No process of a task is left, nor its folder.

    Attributes:
        name: of the task.
        failed: why it could not even be started.
        left: why its folder could not be removed; empty if it was.
    """

    name: int
    failed: KernelError | None
    left: str


KEEPER_TO_ENGINE = family(KeeperReady, KeeperFailed, AgentStarted, AgentGone)
