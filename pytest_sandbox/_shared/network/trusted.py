"""Whose certificates are trusted in connections to Modal, and to where it keeps contents."""

from __future__ import annotations

import contextlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl


def trusting(file: str | None) -> ssl.SSLContext:
    """A context for clients: it trusts what this machine trusts.

    Args:
        file: that of `SSL_CERT_FILE`, which is trusted too; `None` for the certificates of the
            package `certifi` if it is installed, which Modal's client needs.

    Raises:
        OSError: the file is not there, or has no certificates.
    """
    import ssl  # late: most runs need no certificates

    context = ssl.create_default_context()
    if file is None:
        with contextlib.suppress(ImportError, AttributeError):  # not there, or not whole
            import certifi

            context.load_verify_locations(certifi.where())
    else:
        try:
            context.load_verify_locations(file)
        except OSError as error:  # which OpenSSL by itself would say nothing of
            raise OSError(f"SSL_CERT_FILE={file!r} cannot be used: {error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def why_not_trusted(error: BaseException) -> str:
    """What is wrong with a certificate, and what to do; empty if that is not the error."""
    import ssl

    if not isinstance(error, ssl.SSLCertVerificationError):
        return ""
    return (
        f"its certificate is not trusted: {error.verify_message}. If a proxy of your organisation "
        "opens TLS, name the file with the certificate of its authority in SSL_CERT_FILE; and see "
        "that the clock of this machine is right"
    )
