"""Credentials by OAuth, which a service that uses Modal for its users gives to their programs.

As Modal's client has them: a refresh token of the user and the client that it was given to, which
shows a secret, or signs an assertion with its key (RFC 7523, 2.2; RFC 7638 for the name of the
key). Modal's servers are sent them with each call; no other token is asked for.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
import uuid
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pytest_sandbox.engine import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

#: Whom an assertion is for, and the seconds that it is valid.
_AUDIENCE, _LIFETIME = "modal-server", 5 * 60
#: Bits of a key, at least.
_LEAST = 2048
#: The settings, which are those of Modal's client.
_NAMES = ("oauth_refresh_token", "oauth_client_id", "oauth_client_secret", "oauth_jwt_key")


@dataclass(frozen=True)
class OAuth:
    """Credentials by OAuth.

    Attributes:
        refresh_token: of the user.
        client_id: of the client.
        client_secret: of the client; empty if it has a key.
        jwt_key: of the client, RSA in PEM; empty if it has a secret.
    """

    refresh_token: str = field(repr=False)
    client_id: str
    client_secret: str = field(repr=False)
    jwt_key: str = field(repr=False)

    def metadata(self) -> dict[str, str]:
        """What each call has, now.

        Raises:
            EngineUnavailable: the key cannot be used.
        """
        shown = {
            "x-modal-refresh-token": self.refresh_token,
            "x-modal-oauth-client-id": self.client_id,
        }
        if self.client_secret:
            return {**shown, "x-modal-oauth-client-secret": self.client_secret}
        return {**shown, "x-modal-oauth-client-assertion": self._assertion()}

    def _assertion(self) -> str:
        key_id, sign = self._signer
        now = int(time.time())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": _AUDIENCE,
            "iat": now,
            "exp": now + _LIFETIME,
            "jti": str(uuid.uuid4()),
        }
        head = {"alg": "RS256", "kid": key_id, "typ": "JWT"}
        text = f"{_encoded(_json(head))}.{_encoded(_json(claims))}"
        return f"{text}.{_encoded(sign(text.encode()))}"

    @cached_property
    def _signer(self) -> tuple[str, Callable[[bytes], bytes]]:
        """The name of the key, and what signs with it."""
        try:
            from cryptography.exceptions import UnsupportedAlgorithm
            from cryptography.hazmat.primitives import hashes, serialization
            from cryptography.hazmat.primitives.asymmetric import padding, rsa
        except ImportError:
            raise EngineUnavailable(
                "MODAL_OAUTH_JWT_KEY is set, and the package 'cryptography', which signs with it, "
                "is not installed",
                "pip install 'modal[oauth]'",
            ) from None
        pem = self.jwt_key.replace("\\n", "\n").encode()  # as variables have it in one line
        try:
            key = serialization.load_pem_private_key(pem, None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise _wrong_key(f"cannot be read: {error}") from None
        if not isinstance(key, rsa.RSAPrivateKey):
            raise _wrong_key("is no key of RSA")
        if key.key_size < _LEAST:
            raise _wrong_key(f"has {key.key_size} bits, and Modal wants {_LEAST} or more")
        numbers = key.public_key().public_numbers()
        public = {"e": _number(numbers.e), "kty": "RSA", "n": _number(numbers.n)}
        name = _encoded(hashlib.sha256(_json(public)).digest())
        return name, lambda data: key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def read_oauth(setting: Callable[[str], str]) -> OAuth | None:
    """The credentials by OAuth of this machine; `None` if there are none.

    Args:
        setting: the value of a setting by its name; empty if it is not set.

    Raises:
        EngineUnavailable: they are not complete, or the key cannot be used.
    """
    values = {name: setting(name) for name in _NAMES}
    if not any(values.values()):
        return None
    missing = [name for name in _NAMES[:2] if not values[name]]
    secret, key = values["oauth_client_secret"], values["oauth_jwt_key"]
    if missing or bool(secret) == bool(key):
        wrong = f"{_variable(missing[0])} is not set" if missing else "both are set"
        if not missing and not secret:
            wrong = "neither is set"
        raise EngineUnavailable(
            "credentials by OAuth are MODAL_OAUTH_REFRESH_TOKEN, MODAL_OAUTH_CLIENT_ID, and one of "
            f"MODAL_OAUTH_CLIENT_SECRET and MODAL_OAUTH_JWT_KEY: {wrong}",
            "Set them as the service that gave them to you says, or unset them all and make a "
            "token: modal token new",
        )
    found = OAuth(values["oauth_refresh_token"], values["oauth_client_id"], secret, key)
    found.metadata()  # a key that cannot be used is refused here
    return found


def _variable(name: str) -> str:
    return f"MODAL_{name.upper()}"


def _wrong_key(how: str) -> EngineUnavailable:
    return EngineUnavailable(
        f"the key of MODAL_OAUTH_JWT_KEY {how}",
        "It must be a key of RSA in PEM, without a password.",
    )


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int) -> str:
    return _encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))
