"""From a process that the keeper has forked to the agent of a task, with all that it gives up.

The agent is that of the local engine: it starts processes, collects them, and works on files, with
no more rights than they have. Here it is no PID 1, and adopts orphans instead.
"""

from __future__ import annotations

import errno
import os
import resource

from pytest_sandbox.local.agent.main import Agent
from pytest_sandbox.local.kernel import prctl, seccomp
from pytest_sandbox.local.kernel.descriptors import close_all_except
from pytest_sandbox.local.kernel.landlock import PORTS_SINCE, Landlock
from pytest_sandbox.local.kernel.process_title import set_title
from pytest_sandbox.local.protocol import agent as messages
from pytest_sandbox.local.protocol import wire
from pytest_sandbox.local.protocol.common import KernelError

from .descendants import end_descendants

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

#: Devices that programs may write to; terminals are below `/dev/pts`.
_DEVICES = (
    *("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"),
    *("/dev/tty", "/dev/ptmx", "/dev/pts"),
)
#: See `local/agent/harden.py`, which has the reasons.
_OPEN_FILES, _CORE = 4096, 1


class KeptAgent(Agent):
    """Serves the engine, and refuses what is only right for a PID 1."""

    def __init__(self) -> None:
        super().__init__()
        for request in (
            messages.PauseRequest,  # stops all processes that it can reach: those of our user
            messages.ResumeRequest,
            messages.AdoptRequest,
            messages.GatewayRequest,
        ):
            del self._handlers[request]


class Restrictions:
    """What the tasks of a keeper give up.

    Args:
        landlock: the version of Landlock to use; 0 for none.
        ports: TCP ports that programs may connect to, where others can be forbidden.
        filter_program: of seccomp, if there is one for this machine.
    """

    def __init__(self, landlock: int, ports: list[int], filter_program: bytes | None) -> None:
        self._landlock = landlock
        self._ports = ports
        self._filter = filter_program

    def give_up(self, folder: str, uid: int | None, processes: int) -> None:
        """Give up all that a task must not have; for good.

        Args:
            folder: of the task.
            uid: who the task is, if it is not us.
            processes: how many processes it may have, if it has a user id of its own.
        """
        rules = self._rules(folder)
        _lower(resource.RLIMIT_NOFILE, _OPEN_FILES)
        resource.setrlimit(resource.RLIMIT_CORE, _at_most(resource.RLIMIT_CORE, _CORE))
        if uid is not None:
            resource.setrlimit(
                resource.RLIMIT_NPROC, _at_most(resource.RLIMIT_NPROC, processes + 1)
            )
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
        prctl.clear_ambient_set()
        prctl.forbid_new_privileges()
        if rules is not None:
            rules.restrict()
        if self._filter is not None:
            seccomp.install(self._filter)
        # After the last change of ids, which sets it back: prctl(2), PR_SET_DUMPABLE.
        prctl.forbid_inspection()

    def _rules(self, folder: str) -> Landlock | None:
        if not self._landlock:
            return None
        rules = Landlock(self._landlock)
        rules.allow_all(folder)
        rules.allow_writes(_DEVICES)
        if self._landlock >= PORTS_SINCE:
            rules.allow_connections(self._ports)
        return rules


def be_agent(
    agent: KeptAgent,
    sock: socket.socket,
    restrictions: Restrictions,
    folder: str,
    uid: int | None,
    processes: int,
) -> None:
    """Be the agent of a task until its end; never returns.

    Args:
        agent: what serves the engine.
        sock: to the engine.
        restrictions: what the task gives up.
        folder: of the task.
        uid: see `Restrictions.give_up`.
        processes: likewise.
    """
    try:
        try:
            set_title("pytest-sandbox process agent")
            os.setsid()
            os.umask(0o022)
            close_all_except([0, 1, 2, sock.fileno()])
            prctl.adopt_orphans()
            restrictions.give_up(folder, uid, processes)
            agent.begin(sock)
        except Exception as error:
            cause = error if isinstance(error, OSError) else OSError(errno.EIO, repr(error))
            wire.send(sock, messages.SandboxFailed(error=KernelError.of(cause)))
            os._exit(1)
        wire.send(sock, messages.AgentReady(no_network=""))
        agent.run()
        # The keeper does it too, if it still lives.
        end_descendants()
    finally:
        os._exit(0)


def _lower(which: int, soft: int) -> None:
    hard = resource.getrlimit(which)[1]
    resource.setrlimit(which, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _at_most(which: int, limit: int) -> tuple[int, int]:
    hard = resource.getrlimit(which)[1]
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    return limit, limit
