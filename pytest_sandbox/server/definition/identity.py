"""Identity tokens of sandboxes: JSON Web Tokens (RFC 7519) by which they log in elsewhere."""

import base64
import importlib.util
import json
import secrets
from typing import Any

from pytest_sandbox._shared.install_command import install_command
from pytest_sandbox.engine import Clock

from ..model.apps import AppRecord
from ..rpc.errors import precondition

#: The variable of the environment that has the token, as at Modal.
VARIABLE = "MODAL_IDENTITY_TOKEN"
#: Seconds that a token is valid: longer than a sandbox lives.
_LIFETIME = 25 * 3600
_ISSUER, _AUDIENCE = "https://oidc.modal.com", "oidc.modal.com"
_KEY_BITS = 2048


class IdentityTokens:
    """Makes them, with Modal's claims, signed by a key that this server makes for itself.

    The header of each has the public key (`jwk`), which verifies it and nothing else of Modal's.

    Args:
        clock: the engine's.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._key: Any = None
        self._workspace = f"ac-{secrets.token_hex(11)}"

    def of_container(self, app: AppRecord, environment_id: str, container_id: str) -> str:
        """The token of a container.

        Args:
            app: that it belongs to.
            environment_id: of the app.
            container_id: id of the task, or of the sidecar.

        Raises:
            GRPCError: FAILED_PRECONDITION: the package for signatures is not installed.
        """
        if importlib.util.find_spec("cryptography") is None:
            raise precondition(
                "include_oidc_identity_token needs the package cryptography: "
                f"{install_command('serve')}, and start again"
            )
        now = int(self._clock.now())
        names = {
            "workspace_id": self._workspace,
            "environment_name": app.environment,
            "app_name": app.name,
            "container_id": container_id,
        }
        claims = {
            "iss": _ISSUER,
            "aud": _AUDIENCE,
            "sub": ":".join(("modal", *(part for pair in names.items() for part in pair))),
            "iat": now,
            "exp": now + _LIFETIME,
            "jti": secrets.token_hex(16),
            "environment_id": environment_id,
            "app_id": app.id,
            **names,
        }
        return self._signed(claims)

    def _signed(self, claims: dict[str, object]) -> str:
        from cryptography.hazmat.primitives.asymmetric import padding, rsa
        from cryptography.hazmat.primitives.hashes import SHA256

        if self._key is None:  # it takes a tenth of a second to make
            self._key = rsa.generate_private_key(65537, _KEY_BITS)
        public = self._key.public_key().public_numbers()
        key = {"kty": "RSA", "n": _number(public.n), "e": _number(public.e)}
        header = {"alg": "RS256", "typ": "JWT", "jwk": key}
        signed = b".".join(_part(json.dumps(part).encode()) for part in (header, claims))
        signature = self._key.sign(signed, padding.PKCS1v15(), SHA256())
        return b".".join((signed, _part(signature))).decode()


def _number(value: int) -> str:
    return _part(value.to_bytes((value.bit_length() + 7) // 8, "big")).decode()


def _part(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
