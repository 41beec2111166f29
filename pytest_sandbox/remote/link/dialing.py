"""Connects to a far side, and makes sure that it is the right one before it is shown the token."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ssl
from functools import partial
from typing import TYPE_CHECKING, cast

from pytest_sandbox.engine import EngineUnavailable

from .carrier import Carrier
from .hello import DamagedHello, Hello, LinkRefusal, Welcome, decode_answer, encode, versions

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_sandbox._shared.network.engine_address import RemoteAddress

_WHICH = "Use the address that `pytest-sandbox serve --listen` printed there."
#: What both ends say in their TLS handshake that they speak (RFC 7301).
ALPN = "pytest-sandbox"


async def dial(address: RemoteAddress, hello: Hello) -> tuple[Carrier, Welcome]:
    """Connect, and say hello.

    Args:
        address: of the far side; not of the scheme `ssh`.
        hello: what to say.

    Raises:
        EngineUnavailable: the far side is not the right one, or refuses; it makes no sense to try
            again.
        OSError: it cannot be reached now.
    """
    loop = asyncio.get_running_loop()
    first, on_first = resolver()
    context = None if address.scheme == "grpc" else _context(address)
    try:
        transport, carrier = await loop.create_connection(
            partial(Carrier, on_first), address.host, address.port, ssl=context
        )
    except ssl.SSLError as error:
        raise _tls_failed(address, error) from error
    try:
        if address.fingerprint:
            _check_fingerprint(address, transport)
        return carrier, await say_hello(address, carrier, first, hello)
    except BaseException:
        transport.abort()
        raise


async def say_hello(
    address: RemoteAddress, carrier: Carrier, first: asyncio.Future[bytes], hello: Hello
) -> Welcome:
    """Say hello over a new connection; what the far side answers.

    Raises:
        EngineUnavailable, OSError: as `dial`.
    """
    carrier.transport.write(encode(hello))
    try:
        answer = decode_answer(await first)
    except DamagedHello as error:
        raise EngineUnavailable(
            f"what listens at {address.place} is no engine; it says {error}", _WHICH
        ) from None
    if isinstance(answer, LinkRefusal):
        raise _refused(address, hello, answer)
    return answer


def resolver() -> tuple[asyncio.Future[bytes], Callable[[Carrier, bytes | Exception], None]]:
    """A future of the first message, and what a `Carrier` calls to resolve it."""
    first: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    return first, partial(_resolve, first)


def _resolve(first: asyncio.Future[bytes], _: Carrier, outcome: bytes | Exception) -> None:
    if first.done():
        return
    if isinstance(outcome, Exception):
        first.set_exception(outcome)
        first.exception()  # which nobody may ask for
    else:
        first.set_result(outcome)


def _context(address: RemoteAddress) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols([ALPN])
    if address.fingerprint:  # which says more than any authority
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def fingerprint_of(certificate: bytes) -> str:
    """The fingerprint of a certificate in DER, as addresses have it."""
    return hashlib.sha256(certificate).hexdigest()


def _check_fingerprint(address: RemoteAddress, transport: asyncio.BaseTransport) -> None:
    tls = cast("ssl.SSLObject", transport.get_extra_info("ssl_object"))
    found = fingerprint_of(tls.getpeercert(binary_form=True) or b"")
    if not hmac.compare_digest(found, address.fingerprint):
        raise EngineUnavailable(
            f"{address.place}: the certificate of what listens there has another fingerprint, "
            f"{found}",
            "If `pytest-sandbox serve` was started anew there, use the address that it printed. "
            "If not, somebody may listen in its place. The token was not shown.",
        )


def _tls_failed(address: RemoteAddress, error: ssl.SSLError) -> EngineUnavailable:
    if isinstance(error, ssl.SSLCertVerificationError):
        remedy = (
            "Correct the clock of this machine, or renew the certificate there."
            if error.verify_code in (9, 10)  # not yet valid; expired
            else "Use a name that is in the certificate, let SSL_CERT_FILE name that of its "
            "authority, or add ?fingerprint=...: `openssl x509 -noout -fingerprint -sha256 -in "
            "FILE` prints it there."
        )
        return EngineUnavailable(f"{address.place}: {error.verify_message}", remedy)
    if error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return EngineUnavailable(
            f"what listens at {address.place} speaks no TLS",
            _WHICH,
        )
    return EngineUnavailable(
        f"{address.place}: the TLS handshake failed: {error}",
        _WHICH,
    )


def _refused(address: RemoteAddress, hello: Hello, refusal: LinkRefusal) -> EngineUnavailable:
    place, detail = address.place, refusal.detail[:500]
    if refusal.refused == "token":
        return EngineUnavailable(
            f"{place} does not know this token",
            "Use the address that `pytest-sandbox serve` printed there when it was last started.",
        )
    if refusal.refused == "version":
        return EngineUnavailable(
            f"pytest-sandbox is {versions(hello.protocol)} here and {detail} at {place}",
            "Install the same version at both ends.",
        )
    if refusal.refused == "busy":
        return EngineUnavailable(
            f"{place} refuses: {detail}",
            "Wait until a run has ended there, or start another `pytest-sandbox serve --listen`.",
        )
    if refusal.refused == "session":
        return EngineUnavailable(f"{place} has ended the sandboxes of this run: {detail}")
    return EngineUnavailable(f"{place} refuses: {detail}")
