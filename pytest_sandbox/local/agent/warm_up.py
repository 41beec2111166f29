"""What PID 1 can do of the work for its first command before that comes.

Memory that a process has from the one that it was forked from is copied page by page, when it first
writes to each: fork(2). Python writes to all that it uses, since it counts references there. For
its first command, PID 1 of a sandbox copied some 170 pages, and took half a millisecond longer than
for the next ones.
"""

from __future__ import annotations

import contextlib

from ..protocol import agent as messages
from ..protocol import wire
from . import spawn

#: No descriptor: Python itself refuses the number, before it asks the system to start anything. So
#: there is no process, and no pid is used up.
_NO_DESCRIPTOR = 1 << 31
#: A command like most, in a folder that is ours in every sandbox.
_FOLDER, _NAME = "/dev", "null"
_PACKET = wire.encode(
    messages.SpawnRequest(
        process=1,
        argv=[f"{_FOLDER}/{_NAME}", "an argument"],
        env={"PATH": _FOLDER, "HOME": "/"},
        workdir="/",
        main=False,
        stdout="pipe",
        stderr="pipe",
        terminal=None,
        user=None,
    ),
    1,
)


def warm_up() -> None:
    """Do what a command takes, from the request to the answers, but for the process itself."""
    packet = _PACKET, [_NO_DESCRIPTOR] * 3, 0
    request, number, fds = wire.open_request(packet, messages.ENGINE_TO_AGENT)
    assert isinstance(request, messages.SpawnRequest)
    with contextlib.suppress(OSError):  # it is no program
        spawn.find_command(_NAME, _FOLDER)
    with contextlib.suppress(OverflowError):
        spawn.spawn(request, fds)
    wire.encode(messages.SpawnAnswer(pid=1), number)
    wire.encode(messages.ProcessExited(process=1, status=0))
