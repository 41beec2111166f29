"""Where a far side listens, and the certificate that it shows there."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_sandbox.server import CertificateFiles, Handshake, Strangers

from .dialing import ALPN, fingerprint_of

if TYPE_CHECKING:
    from .carrier import Carrier
    from .far import FarLink


@dataclass(frozen=True)
class ShownCertificate:
    """What a far side shows.

    Attributes:
        context: of TLS.
        fingerprint: for addresses; empty if an authority vouches for it.
    """

    context: ssl.SSLContext
    fingerprint: str


def own_certificate(*hosts: str) -> ShownCertificate:
    """A certificate that nobody vouches for, known by its fingerprint.

    Args:
        hosts: the names and addresses in it, besides `localhost`.

    Raises:
        ImportError: trustme is not installed.
        ValueError: one of them can be in no certificate, as a name with '_'.
    """
    import trustme

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made = trustme.CA().issue_cert(*{*hosts, "localhost"})
    made.configure_cert(context)
    context.set_alpn_protocols([ALPN])
    pem = made.cert_chain_pems[0].bytes().decode()
    return ShownCertificate(context, fingerprint_of(ssl.PEM_cert_to_DER_cert(pem)))


def user_certificate(certificate: str, key: str) -> ShownCertificate:
    """A certificate of the user's, for which an authority vouches.

    Raises:
        EngineUnavailable: the files are no certificate and its key.
    """
    return ShownCertificate(CertificateFiles(certificate, key).context(ALPN), "")


class FarListener:
    """A socket that listens for near sides.

    Attributes:
        host: the address that it has, which may have been given as a name.
        port: which it has.
    """

    def __init__(self, server: asyncio.Server, host: str, port: int) -> None:
        self._server = server
        self.host, self.port = host, port

    @classmethod
    async def open(
        cls, link: FarLink, host: str, port: int, context: ssl.SSLContext | None
    ) -> FarListener:
        """Listen.

        Args:
            link: takes the connections.
            host: an address of this machine, or a name; empty for all addresses.
            port: 0 for any that is free.
            context: of TLS; without one, only this machine may reach the address.

        Raises:
            OSError: the address is in use, or not one of this machine.
        """
        strangers = Strangers()

        def known(carrier: Carrier) -> Any:
            return strangers.add(carrier.transport)

        make = partial(link.connection, known)
        factory = make if context is None else partial(Handshake, context, strangers.add, make)
        both = not host and socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if both or ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            if both:  # the system may have another default: ipv6(7), IPV6_V6ONLY
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, port))
            server = await asyncio.get_running_loop().create_server(factory, sock=listening)
        except BaseException:
            listening.close()
            raise
        return cls(server, *listening.getsockname()[:2])

    def close(self) -> None:
        """Take no more connections."""
        self._server.close()
