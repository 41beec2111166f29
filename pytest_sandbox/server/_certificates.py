"""Certificates of one server: for the command router over TLS, and for encrypted tunnels."""

import asyncio
import importlib
import importlib.util
import ssl
from typing import Any

#: How one comes by the package that makes certificates, an extra of this one.
REMEDY = "needs the package trustme: pip install 'pytest-sandbox[serve]', and start anew"


class Authority:
    """An authority that only this process has, made when it is first needed.

    Making it takes a moment, of the event loop too if it is done there: see `context`.
    """

    def __init__(self) -> None:
        self._made: Any = None
        self._turn = asyncio.Lock()

    @staticmethod
    def available() -> bool:
        """Whether there can be any certificate."""
        return importlib.util.find_spec("trustme") is not None

    @property
    def pem(self) -> bytes:
        """The authority's own certificate, for who is to trust it."""
        pem: bytes = self._authority().cert_pem.bytes()
        return pem

    async def context(self, hosts: frozenset[str], protocol: str) -> ssl.SSLContext:
        """What a server needs.

        Args:
            hosts: names and addresses by which clients know it.
            protocol: what it speaks, `h2` or `http/1.1`, by RFC 7301.
        """
        async with self._turn:
            return await asyncio.to_thread(self._context, hosts, protocol)

    def _context(self, hosts: frozenset[str], protocol: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority().issue_cert(*sorted(hosts)).configure_cert(context)
        context.set_alpn_protocols([protocol])
        return context

    def _authority(self) -> Any:
        if self._made is None:
            self._made = importlib.import_module("trustme").CA()
        return self._made
