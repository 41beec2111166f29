"""Certificates of one server: for the command router over TLS, and for encrypted tunnels."""

import importlib
import importlib.util
import os
import ssl
from pathlib import Path
from typing import Any

from pytest_sandbox._shared.install_command import install_command
from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import EngineUnavailable


def remedy() -> str:
    """How to get the package that makes certificates, an extra of this one."""
    return f"needs the package trustme: {install_command('serve')}, and start again"


@dataclass(frozen=True)
class CertificateFiles:
    """A certificate of the user's, which clients trust already.

    Attributes:
        certificate: the file with it, and with those between it and an authority; PEM.
        key: the file with its key; PEM.
    """

    certificate: str
    key: str

    def context(self, protocol: str) -> ssl.SSLContext:
        """The TLS context of a server.

        Args:
            protocol: its ALPN protocol (RFC 7301), `h2` or `http/1.1`.

        Raises:
            EngineUnavailable: they cannot be read, or do not belong together.
        """
        _check_readable("--certificate", self.certificate)
        _check_readable("--key", self.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # Without a password, OpenSSL would ask a terminal for that of an encrypted key.
            context.load_cert_chain(self.certificate, self.key, password=str)
        except (ssl.SSLError, ValueError) as error:
            raise EngineUnavailable(
                f"--certificate {self.certificate} and --key {self.key} are no certificate and its "
                f"key: {error}",
                "Both are texts in PEM, and the key has no password.",
            ) from error
        context.set_alpn_protocols([protocol])
        return context


def _check_readable(option: str, path: str) -> None:
    try:
        Path(path).open("rb").close()
    except OSError as error:
        raise EngineUnavailable(f"{option} {path}: {os.strerror(error.errno or 0)}") from None


class Authority:
    """A certificate authority of this process, made when it is first needed.

    Making it blocks the event loop for some tens of milliseconds, once. A thread would not do: a
    virtual clock skips time while the loop is idle, and does not see that a thread works.
    """

    def __init__(self) -> None:
        self._made: Any = None

    @staticmethod
    def available() -> bool:
        """Whether certificates can be made: whether trustme is installed."""
        return importlib.util.find_spec("trustme") is not None

    @property
    def pem(self) -> bytes:
        """The certificate of the authority itself, which clients have to trust."""
        pem: bytes = self._authority().cert_pem.bytes()
        return pem

    def context(self, hosts: frozenset[str], protocol: str) -> ssl.SSLContext:
        """The TLS context of a server.

        Args:
            hosts: names and addresses under which clients reach it.
            protocol: its ALPN protocol (RFC 7301), `h2` or `http/1.1`.

        Raises:
            ImportError: trustme is not installed.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority().issue_cert(*sorted(hosts)).configure_cert(context)
        context.set_alpn_protocols([protocol])
        return context

    def _authority(self) -> Any:
        if self._made is None:
            self._made = importlib.import_module("trustme").CA()
        return self._made
