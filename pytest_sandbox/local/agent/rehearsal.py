"""What PID 1 does in each sandbox, done in the forker before anything is forked from it.

Python adapts code to what it meets in the first runs: instructions, look-ups of names and methods.
PID 1 would do so anew in each sandbox, and all that is noted then is memory that it writes to, so
it would also copy that: see `kernel/calls`.
"""

from __future__ import annotations

import os
import signal
import socket

from ..kernel.calls import PreparedCalls
from ..protocol import wire
from ..protocol.agent import WarmUpRequest
from ..protocol.prepared_packets import prepare_receive, prepare_send
from .main import Agent

#: Runs after which Python has adapted a function: 8 since 3.11, fewer later.
_TIMES = 10


def rehearse() -> None:
    """Make prepared calls, and serve an engine that has nothing started, often enough.

    The caller has a handler of SIGCHLD. All else it finds as it was.
    """
    agent = Agent()
    for _ in range(_TIMES):
        engine, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with engine, ours:
            _rehearse_calls(engine, ours)
            wire.send(engine, WarmUpRequest(), number=1)
            engine.shutdown(socket.SHUT_WR)
            agent.begin(ours)
            signal.raise_signal(signal.SIGCHLD)
            agent.run()
            agent.end()


def _rehearse_calls(one: socket.socket, other: socket.socket) -> None:
    calls = PreparedCalls()
    null = calls.add_opening("open", "/dev/null", os.O_RDONLY)
    prepare_send(one.fileno(), b"\0", [null], calls)
    (copy,) = prepare_receive(other.fileno(), 1, int, calls)
    calls.add("close", copy)
    calls.add("close", null)
    calls.make()
