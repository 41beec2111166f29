"""The far side as a process: serves an engine of this machine until it is interrupted."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pytest_sandbox._shared.collector import begin_to_serve
from pytest_sandbox._shared.install_command import install_command
from pytest_sandbox._shared.network.engine_address import RemoteAddress
from pytest_sandbox._shared.selector import run
from pytest_sandbox.engine import EngineUnavailable

from .far.machine import kinds_of_gpus
from .far.service import FarService
from .link.far import FarLink
from .link.listening import FarListener, own_certificate, user_certificate
from .link.pipes import PipeTransport
from .protocol import PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_sandbox.engine import Engine

    from .link.listening import ShownCertificate

#: Seconds that the engines may take to end what runs have made, when this process is to end.
CLOSE_TIMEOUT = 8.0


@dataclass(frozen=True)
class FarListening:
    """Where to listen, and what to show and to want there.

    Attributes:
        host: an address of this machine, or a name; empty for all.
        port: 0 for any that is free.
        token: which near sides have to show.
        tls: whether to speak TLS.
        certificate: the file of the certificate to show; `None` for one made for this run.
        key: the file of its key.
    """

    host: str
    port: int
    token: str
    tls: bool = True
    certificate: str | None = None
    key: str | None = None


class FarServer:
    """Serves engines of this machine, one for each run.

    Args:
        make: makes an engine, which is not started, with options that a run chose.
    """

    def __init__(self, make: Callable[[Mapping[str, str]], Engine]) -> None:
        self._make = partial(FarService, make)

    def serve(
        self,
        where: FarListening,
        announce: Callable[[RemoteAddress, str], None],
        until_eof: int | None = None,
    ) -> None:
        """Listen, until this process is interrupted.

        Args:
            where: to listen.
            announce: called once it can be used, with the address, and with that of the socket.
            until_eof: a descriptor of a pipe; to end when that does.

        Raises:
            EngineUnavailable: it cannot listen there, has no certificate to show, or is to end
                with what is no pipe.
        """
        run(self._serve(where, announce, until_eof))

    def serve_pipes(self, source: int, target: int) -> None:
        """Serve one run, until it has ended.

        Args:
            source: the descriptor to read from.
            target: the one to write to.
        """
        run(self._serve_pipes(source, target))

    async def _serve(
        self,
        where: FarListening,
        announce: Callable[[RemoteAddress, str], None],
        until_eof: int | None,
    ) -> None:
        shown = _certificate(where)
        link = FarLink(self._make, PROTOCOL, where.token, machine=_machine())
        try:
            listener = await FarListener.open(
                link, where.host, where.port, shown.context if shown else None
            )
        except (OSError, UnicodeError) as error:  # the second of a name that DNS cannot have
            raise EngineUnavailable(
                f"the engine cannot listen on {where.host or 'all addresses'}, port {where.port}: "
                f"{getattr(error, 'strerror', None) or error}",
                "Choose another --listen.",
            ) from error
        stop = _interrupted()
        if until_eof is not None:
            try:
                _stop_at_end(until_eof, stop)
            except EngineUnavailable:
                listener.close()
                raise
        begin_to_serve()
        announce(
            RemoteAddress(
                "grpc+tls" if shown else "grpc",
                where.host or socket.gethostname(),
                listener.port,
                where.token,
                fingerprint=shown.fingerprint if shown else "",
            ),
            listener.host,
        )
        await stop.wait()
        listener.close()
        await _end(link)

    async def _serve_pipes(self, source: int, target: int) -> None:
        link = FarLink(self._make, PROTOCOL, "", machine=_machine(), resumable=False)
        stop = _interrupted()
        begin_to_serve()
        await PipeTransport.open(link.connection(), source, target, stop.set)
        await stop.wait()
        await _end(link)


def _machine() -> str:
    """What this machine is: `"64 processors, 2 x H100"`."""
    words = [f"{len(os.sched_getaffinity(0))} processors"]
    words += [f"{count} x {kind}" for kind, count in Counter(kinds_of_gpus()).items()]
    return ", ".join(words)


def _certificate(where: FarListening) -> ShownCertificate | None:
    if not where.tls:
        return None
    if where.certificate and where.key:
        return user_certificate(where.certificate, where.key)
    try:
        return _made_certificate(where.host)
    except ImportError:
        raise EngineUnavailable(
            "to make a certificate needs the package trustme: " + install_command("serve"),
            "Or give it one: --certificate FILE --key FILE.",
        ) from None


def _made_certificate(host: str) -> ShownCertificate:
    try:
        return own_certificate(host or socket.gethostname())
    except ValueError as error:
        if host:
            raise EngineUnavailable(
                f"no certificate can be made for the name {host!r}: {error}",
                "Listen on an address of this machine, on all of them (--listen :PORT), or on a "
                "name without '_'.",
            ) from None
        # Nobody asked for the name of this machine, and clients go by the fingerprint.
        return own_certificate()


def _interrupted() -> asyncio.Event:
    """An event that is set when this process is asked to end."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    return stop


def _stop_at_end(descriptor: int, stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def read() -> None:
        if not os.read(descriptor, 4096):
            loop.remove_reader(descriptor)
            stop.set()

    try:
        loop.add_reader(descriptor, read)
    except PermissionError:  # epoll_ctl(2), EPERM
        raise EngineUnavailable(
            f"descriptor {descriptor} is a file or /dev/null, whose end is not told",
            "Give --until-eof a pipe, which its parent holds open.",
        ) from None


async def _end(link: FarLink) -> None:
    """End all runs; what is left after that time, the kernel ends with this process."""
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(link.close(), CLOSE_TIMEOUT)
