"""Between the engine and an agent, over a socket that the agent inherits when it starts.

The agent begins: `AgentReady`, or `SandboxFailed` and then it ends. After that the engine asks and
the agent answers, in order; in between it tells with `ProcessExited` of each process that ended.
When the engine closes the socket, the agent ends, and the sandbox with it.

An agent of a sandbox with a way out makes a second socket, for the gateway, which it begins
connections for.
"""

from __future__ import annotations

# Parts of messages are looked up by name.
from .common import DescriptorAnswer, Failed, KernelError, Succeeded
from .jobs import JOBS, EndJobRequest, FileStatus, JobStarted
from .message import Message
from .wire import family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

#: Where programs of a sandbox with a way out ask for names, and the file that says so.
NAME_SERVER = "127.0.0.53"
RESOLVER_FILE, RESOLVER_TEXT = "/etc/resolv.conf", f"nameserver {NAME_SERVER}\n"

# What the engine asks.


class TerminalSize(Message):
    """Part of `SpawnRequest`: how many characters a terminal has."""

    rows: int
    columns: int


class UserIds(Message):
    """Part of `SpawnRequest`: who runs the process.

    Attributes:
        uid: user id.
        gid: group id.
        groups: further groups.
    """

    uid: int
    gid: int
    groups: list[int]


class SpawnRequest(Message, descriptors=(0, 3)):
    """Start a process; answered by `SpawnAnswer`.

    Beside it the reading end of a pipe for its standard input, then the writing ends of those for
    its output and its errors as far as those are pipes; nothing if it is to have a terminal.

    Attributes:
        process: the engine's number for it, by which `ProcessExited` names it.
        argv: the command, and its arguments.
        env: all of its environment.
        workdir: where it starts.
        main: whether the sandbox ends with it.
        stdout: what becomes of its output.
        stderr: what becomes of its errors; `stdout` to go where its output goes.
        terminal: the size of its terminal, if it is to have one.
        user: who runs it; root if it is not given.
    """

    process: int
    argv: list[str]
    env: dict[str, str]
    workdir: str
    main: bool
    stdout: Literal["pipe", "devnull", "stdout"]
    stderr: Literal["pipe", "devnull", "stdout"]
    terminal: TerminalSize | None
    user: UserIds | None


class AdoptRequest(Message):
    """A process is about to be restored as the main one; answered by `Succeeded`.

    Attributes:
        process: the engine's number for it.
        pid: the pid that it will have.
    """

    process: int
    pid: int


class SignalRequest(Message):
    """Signal all processes of a process's session.

    Answered by `Succeeded`, even if the process has ended already.
    """

    process: int
    number: int


class PingRequest(Message):
    """Tells that the agent serves; answered by `Succeeded`."""


class WarmUpRequest(Message):
    """Do ahead what the first command would wait for; answered by `Succeeded`."""


class OpenRequest(Message):
    """Open a regular file, `open(2)`; answered by `DescriptorAnswer`."""

    path: str
    flags: int
    mode: int


class StatRequest(Message):
    """Describe what is at a path; answered by `StatAnswer`.

    Attributes:
        path: the path.
        follow: whether a symbolic link is followed.
    """

    path: str
    follow: bool


class MakeDirectoryRequest(Message):
    """Make a directory; answered by `Succeeded`.

    Attributes:
        path: the directory.
        parents: whether to make those above it too, and to be content if it is there.
    """

    path: str
    parents: bool


class RemoveRequest(Message):
    """Remove a file or an empty directory; answered by `Succeeded`."""

    path: str


class ReplaceRequest(Message):
    """Rename a file over another, whose mode and owner it gets; answered by `Succeeded`."""

    source: str
    target: str


class ConnectRequest(Message):
    """Connect to a port of the loopback interface; answered by `DescriptorAnswer`, the socket.

    Attributes:
        family: of addresses, `AF_INET` or `AF_INET6`.
        port: the port.
    """

    family: int
    port: int


class GatewayRequest(Message, descriptors=1):
    """Begin connections for the gateway, which has the other end of the socket that is beside it.

    Answered by `Succeeded`. For a sandbox that gets a way out after it was built.
    """


class PauseRequest(Message):
    """Stop all processes; answered by `PauseAnswer`.

    Attributes:
        strictly: whether none may wait in the kernel either.
    """

    strictly: bool


class ResumeRequest(Message):
    """Resume those that ran before `PauseRequest`; answered by `Succeeded`."""


ENGINE_TO_AGENT = family(
    *(SpawnRequest, AdoptRequest, SignalRequest, PingRequest, WarmUpRequest),
    *(OpenRequest, StatRequest, MakeDirectoryRequest, RemoveRequest, ReplaceRequest),
    *(ConnectRequest, GatewayRequest, PauseRequest, ResumeRequest),
    *JOBS,
    EndJobRequest,
)
GATEWAY_TO_AGENT = family(ConnectRequest)

# What the agent says.


class AgentReady(Message, descriptors=(0, 4)):
    """The sandbox is built, and the agent serves, at once or in a moment.

    Beside it the sockets of its way out, where one was wanted and could be made: listeners, one for
    questions for names, and one at which the agent begins connections to ports inside.

    Attributes:
        no_network: why it could not be made; else empty.
    """

    no_network: str


class SandboxFailed(Message):
    """The sandbox could not be built; or, after `AgentReady`, the agent cannot serve it."""

    error: KernelError


class ProcessExited(Message):
    """A process ended.

    Attributes:
        process: the engine's number for it.
        status: its exit code, or a signal's number below zero.
    """

    process: int
    status: int


class SpawnAnswer(Message, descriptors=(0, 1)):
    """A process runs; beside it the master of its terminal, if it has one."""

    pid: int


class StatAnswer(Message):
    """What is at a path."""

    info: FileStatus


class PauseAnswer(Message):
    """No process runs.

    Attributes:
        idle: whether there is none at all.
        stopped: pids of those that were stopped before.
    """

    idle: bool
    stopped: list[int]


AGENT_TO_ENGINE = family(
    *(AgentReady, SandboxFailed, ProcessExited, SpawnAnswer, StatAnswer, PauseAnswer),
    *(JobStarted, Succeeded, DescriptorAnswer, Failed),
)
AGENT_TO_GATEWAY = family(DescriptorAnswer, Failed)
