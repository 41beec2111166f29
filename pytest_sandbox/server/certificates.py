"""Certificates of one server: for the command router over TLS, and for encrypted tunnels."""

import importlib
import importlib.util
import ssl
from typing import Any

#: How one comes by the package that makes certificates, an extra of this one.
REMEDY = "needs the package trustme: pip install 'pytest-sandbox[serve]', and start anew"


class Authority:
    """An authority that only this process has, made when it is first needed.

    That takes some tens of milliseconds, once, and nothing else is done meanwhile: to a clock
    that skips the time when nothing can run, work of a thread looks like nothing.
    """

    def __init__(self) -> None:
        self._made: Any = None

    @staticmethod
    def available() -> bool:
        """Whether there can be any certificate."""
        return importlib.util.find_spec("trustme") is not None

    @property
    def pem(self) -> bytes:
        """The authority's own certificate, for who is to trust it."""
        pem: bytes = self._authority().cert_pem.bytes()
        return pem

    def context(self, hosts: frozenset[str], protocol: str) -> ssl.SSLContext:
        """What a server needs.

        Args:
            hosts: names and addresses by which clients know it.
            protocol: what it speaks, `h2` or `http/1.1`, by RFC 7301.

        Raises:
            ImportError: there can be no certificate.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority().issue_cert(*sorted(hosts)).configure_cert(context)
        context.set_alpn_protocols([protocol])
        return context

    def _authority(self) -> Any:
        if self._made is None:
            self._made = importlib.import_module("trustme").CA()
        return self._made
