"""Addresses that allow one request each, by a signature that only the server can make."""

import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any


class SignedPaths:
    """Makes and reads the paths of such addresses, which are valid while the server lives."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def sign(self, method: str, *about: object) -> str:
        """The path of an address.

        Args:
            method: of HTTP.
            about: what the request is about, as JSON has it.
        """
        text = urlsafe_b64encode(json.dumps(about).encode()).decode().rstrip("=")
        return f"/volumes/{text}/{self._signature(method, text)}"

    def read(self, method: str, path: str) -> list[Any] | None:
        """What the request with that path is about; `None` if it was not signed here."""
        _, _, rest = path.partition("/volumes/")
        text, _, signature = rest.partition("/")
        if not hmac.compare_digest(signature.encode(), self._signature(method, text).encode()):
            return None
        about: list[Any] = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return about

    def _signature(self, method: str, text: str) -> str:
        return hmac.new(self._key, f"{method} {text}".encode(), hashlib.sha256).hexdigest()
