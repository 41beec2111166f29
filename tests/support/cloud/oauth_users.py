"""The credentials by OAuth that calls show."""

import base64
import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any

from grpclib import GRPCError, Status

from .options import CloudOptions


def with_token(metadata: Mapping[str, Any], options: CloudOptions) -> dict[str, Any]:
    """The metadata of a call, with the token of the user whose credentials by OAuth it shows.

    Raises:
        GRPCError: UNAUTHENTICATED.
    """
    shown = {str(name): value for name, value in metadata.items()}
    user = options.oauth
    if user is None or "x-modal-refresh-token" not in shown:
        return shown
    expected = {
        "x-modal-refresh-token": user.refresh_token,
        "x-modal-oauth-client-id": user.client_id,
    }
    if user.client_secret:
        expected["x-modal-oauth-client-secret"] = user.client_secret
    if any(shown.get(name) != value for name, value in expected.items()):
        raise GRPCError(Status.UNAUTHENTICATED, "these credentials do not open anything")
    if user.public_key:
        check_assertion(str(shown.get("x-modal-oauth-client-assertion", "")), user.public_key)
    return {
        **shown,
        "x-modal-token-id": options.token_id,
        "x-modal-token-secret": options.token_secret,
    }


def check_assertion(assertion: str, public_key: str) -> dict[str, Any]:
    """Verify what a client signed; its claims.

    Raises:
        GRPCError: UNAUTHENTICATED.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    key = serialization.load_pem_public_key(public_key.encode())
    assert isinstance(key, rsa.RSAPublicKey)
    head, claims, signature = (_decoded(part) for part in f"{assertion}..".split(".")[:3])
    signed = assertion.rpartition(".")[0].encode()
    try:
        key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise GRPCError(
            Status.UNAUTHENTICATED, "the assertion is signed by no key of ours"
        ) from None
    said: dict[str, Any] = json.loads(claims)
    if json.loads(head)["kid"] != _thumbprint(key.public_numbers()):
        raise GRPCError(Status.UNAUTHENTICATED, "the assertion names another key")
    if said["exp"] < time.time() or said["aud"] != "modal-server" or said["iss"] != said["sub"]:
        raise GRPCError(Status.UNAUTHENTICATED, "the assertion is not for us, or has expired")
    return said


def _thumbprint(numbers: Any) -> str:
    """The name of a key, RFC 7638."""
    parts = {"e": numbers.e, "n": numbers.n}
    e, n = (
        _encoded(value.to_bytes(-(-value.bit_length() // 8), "big")) for value in parts.values()
    )
    text = json.dumps({"e": e, "kty": "RSA", "n": n}, separators=(",", ":"))
    return _encoded(hashlib.sha256(text.encode()).digest())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
