"""Tunnels: addresses on this machine that lead to ports of a sandbox."""

from __future__ import annotations

import ssl
from collections import Counter
from dataclasses import field
from typing import TYPE_CHECKING

from pytest_sandbox._proto.sandboxes_pb2 import TUNNEL_TYPE_H2, PortSpec, PortSpecs
from pytest_sandbox._shared.lazy_dataclass import dataclass

from .exceptions import InvalidError
from .validation import check_list

if TYPE_CHECKING:
    from collections.abc import Sequence

__tracebackhide__ = True  # a failing test shows the caller's line, not these


class Tunnels(dict[int, "Tunnel"]):
    """Tunnels by the port inside; the error of a port without one says how to declare it."""

    def __missing__(self, port: object) -> Tunnel:
        raise KeyError(
            f"port {port} was not declared: create the sandbox with unencrypted_ports=[{port}] or "
            f"encrypted_ports=[{port}], by the marker or in Sandbox.create"
        )


@dataclass(frozen=True)
class Tunnel:
    """An address that leads to a port of a sandbox; see `Sandbox.tunnels`.

    Attributes:
        host: where it is reached over TLS; empty for a plain port if trustme is not installed.
        port: the port there; 443 where the engine may listen at it.
        unencrypted_host: where it is reached in plain; empty if it is encrypted.
        unencrypted_port: the port there; 0 if it is encrypted.
        certificate: what a client has to trust to connect to `host`, in PEM; Modal's clients have
            none, as the certificates of its tunnels are from a public authority.
    """

    host: str
    port: int
    unencrypted_host: str
    unencrypted_port: int
    certificate: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        """The address for HTTPS.

        Raises:
            InvalidError: it is not reached over TLS.
        """
        host, port = self.tls_socket
        return f"https://{host}" if port == 443 else f"https://{host}:{port}"

    @property
    def tls_socket(self) -> tuple[str, int]:
        """Host and port for TLS.

        Raises:
            InvalidError: it is not reached over TLS.
        """
        if not self.host:
            raise InvalidError(
                "this tunnel is not encrypted: connect to its tcp_socket, or install the package "
                "trustme, which makes certificates"
            )
        return self.host, self.port

    @property
    def tcp_socket(self) -> tuple[str, int]:
        """Host and port for TCP without encryption.

        Raises:
            InvalidError: it is encrypted.
        """
        if not self.unencrypted_host:
            raise InvalidError(
                "this tunnel is encrypted: connect to its tls_socket, or create the sandbox with "
                "unencrypted_ports"
            )
        return self.unencrypted_host, self.unencrypted_port

    def ssl_context(self) -> ssl.SSLContext:
        """A TLS context that trusts this encrypted tunnel and nothing else.

        Raises:
            InvalidError: it is not encrypted.
        """
        if not self.certificate:
            raise InvalidError(f"there is no certificate for {self!r}: it is not encrypted")
        return ssl.create_default_context(cadata=self.certificate)


def open_ports(
    encrypted: Sequence[int], h2: Sequence[int], unencrypted: Sequence[int]
) -> PortSpecs:
    """The ports to open, as the wire has them.

    Raises:
        InvalidError: something is no port, or is given twice.
    """
    if encrypted == h2 == unencrypted == ():
        return PortSpecs()
    _check("encrypted_ports", encrypted)
    _check("h2_ports", h2)
    _check("unencrypted_ports", unencrypted)
    count = Counter([*encrypted, *h2, *unencrypted])
    if twice := [port for port in count if count[port] > 1]:
        raise InvalidError(f"port {twice[0]} is given twice: there is one tunnel for each port")
    return PortSpecs(
        ports=[
            *(PortSpec(port=port) for port in encrypted),
            *(PortSpec(port=port, unencrypted=True) for port in unencrypted),
            *(PortSpec(port=port, tunnel_type=TUNNEL_TYPE_H2) for port in h2),
        ]
    )


def _check(name: str, ports: Sequence[int]) -> None:
    check_list(name, ports, "ports")
    for port in ports:
        if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
            raise InvalidError(f"{name}={ports!r}: {port!r} is not a port from 1 to 65535")
