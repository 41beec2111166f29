"""Connections to ports of the machine that processes of a task listen on."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import TYPE_CHECKING

from pytest_sandbox.local.agent.ports import begin_connection
from pytest_sandbox.local.agents.ports import LocalPorts

from .keeper.descendants import children

if TYPE_CHECKING:
    from pytest_sandbox.local.agents.agent_link import AgentLink

#: Of the kernel's tables: TCP_LISTEN of include/net/tcp_states.h.
_LISTEN = "0A"
_TABLES = {socket.AF_INET: "/proc/net/tcp", socket.AF_INET6: "/proc/net/tcp6"}


class ProcessPorts(LocalPorts):
    """The ports of one task, which are the machine's: only its own listeners are connected to.

    The engine connects: Landlock may forbid it to the agent. Ports are those of all programs of the
    machine, so what listens is looked up; in the moment between that and the connection, another
    program can take the port.

    Args:
        link: to the agent.
        folder: of the task.

    Attributes:
        agent: the pid of the agent.
    """

    def __init__(self, link: AgentLink, folder: str) -> None:
        super().__init__(link)
        self._folder = folder
        self.agent = 0

    async def _begin(self, family: socket.AddressFamily, port: int) -> int:
        if not await asyncio.to_thread(self._listens, family, port):
            text = "no process of this sandbox listens on it"
            raise ConnectionRefusedError(errno.ECONNREFUSED, text, "")
        return begin_connection(int(family), port)

    def _listens(self, family: socket.AddressFamily, port: int) -> bool:
        listeners = _listeners(family, port)
        owner = os.stat(self._folder).st_uid
        if owner != os.geteuid():  # it has a user id of its own
            return owner in listeners.values()
        wanted = {f"socket:[{inode}]" for inode in listeners}
        return bool(wanted) and any(_has_one(pid, wanted) for pid in _family(self.agent))


def _listeners(family: socket.AddressFamily, port: int) -> dict[int, int]:
    """The sockets that listen on a port, inode to owner: proc_pid_net(5), "tcp"."""
    found: dict[int, int] = {}
    try:
        with open(_TABLES[family]) as file:
            lines = [line.split() for line in file]
    except FileNotFoundError:  # a machine without IPv6
        return found
    for _, address, _, state, _, _, _, uid, _, inode, *_ in lines[1:]:
        if state == _LISTEN and int(address.rpartition(":")[2], 16) == port:
            found[int(inode)] = int(uid)
    return found


def _family(agent: int) -> list[int]:
    """The processes of a task, but for its agent."""
    found: list[int] = []
    pending = children(agent)
    while pending:
        pid = pending.pop()
        if pid not in found:
            found.append(pid)
            pending += children(pid)
    return found


def _has_one(pid: int, wanted: set[str]) -> bool:
    """Whether a process has one of some files open."""
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            if os.readlink(f"/proc/{pid}/fd/{fd}") in wanted:
                return True
    except OSError:
        pass  # it has ended, or it is set-user-ID
    return False
