"""Connections without sockets, on which a test decides what arrives and when they break."""

from __future__ import annotations

import asyncio
from typing import Any

from pytest_sandbox.remote.link.carrier import Carrier
from pytest_sandbox.remote.link.session import Session
from pytest_sandbox.remote.link.timing import Timing


class WireEnd(asyncio.Transport):
    """One end: what is written waits until the wire delivers it."""

    def __init__(self, carrier: Carrier) -> None:
        super().__init__()
        self.carrier = carrier
        self.outbox = bytearray()
        self.closed = False
        carrier.connection_made(self)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: Any) -> None:
        if not self.closed:
            self.outbox += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close


class Wire:
    """A connection that carries two ends of a session."""

    def __init__(self, one: Session, other: Session) -> None:
        self.ends = [WireEnd(Carrier(_nothing)), WireEnd(Carrier(_nothing))]
        received = one.received, other.received
        for session in (one, other):
            session.leave()
        self.ends[0].carrier.carry(one, received[1])
        self.ends[1].carrier.carry(other, received[0])

    def deliver(self, end: int, size: int) -> None:
        """Let so many bytes that an end has written arrive at the other one."""
        box = self.ends[end].outbox
        data = bytes(box[:size])
        del box[:size]
        if data:
            self.ends[1 - end].carrier.data_received(data)

    def settle(self) -> None:
        """Let all arrive."""
        while any(end.outbox for end in self.ends):
            for number, end in enumerate(self.ends):
                self.deliver(number, len(end.outbox))

    def cut(self) -> None:
        """Break the connection: what is on its way is lost."""
        for end in self.ends:
            end.closed = True
            end.carrier.connection_lost(ConnectionResetError("cut"))


class Program(asyncio.Protocol):
    """What runs on a session: it remembers what it got."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.waits = False
        self.lost: Exception | None = None

    def data_received(self, data: bytes) -> None:
        self.got += data

    def pause_writing(self) -> None:
        self.waits = True

    def resume_writing(self) -> None:
        self.waits = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = exc


class End:
    """One end of a session, with what it told its owner."""

    def __init__(self, timing: Timing | None = None) -> None:
        self.program = Program()
        self.losses: list[str] = []
        self.endings: list[str] = []
        self.session = Session(
            self.program, timing or Timing(), self.losses.append, self.endings.append
        )
        self.session.begin()


def _nothing(carrier: Carrier, first: bytes | Exception) -> None:
    pass
