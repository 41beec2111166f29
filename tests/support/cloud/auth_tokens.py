"""The tokens of `AuthTokenGet`, which calls about sandboxes of the second version show."""

import secrets

from grpclib import GRPCError, Status

from pytest_sandbox.engine import Clock
from pytest_sandbox.server.rpc import web_token


class AuthTokens:
    """Signs and checks them.

    Args:
        clock: by which they expire.
        lifetime: seconds that they are valid.
        leeway: seconds that they are taken after that.
    """

    def __init__(self, clock: Clock, lifetime: float, leeway: float) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._leeway = leeway
        self._key = secrets.token_bytes(32)

    def issue(self) -> str:
        """A new one."""
        return web_token.encode({"exp": self._clock.now() + self._lifetime}, self._key)

    def check(self, token: str) -> None:
        """Refuse a token that is none, or has expired.

        Raises:
            GRPCError: UNAUTHENTICATED.
        """
        if not token:
            raise GRPCError(Status.UNAUTHENTICATED, "the call has no x-modal-auth-token")
        try:
            expiry = web_token.decode(token, self._key)["exp"]
        except ValueError as error:
            raise GRPCError(Status.UNAUTHENTICATED, f"x-modal-auth-token: {error}") from None
        assert isinstance(expiry, float)
        if expiry + self._leeway <= self._clock.now():
            raise GRPCError(Status.UNAUTHENTICATED, "the x-modal-auth-token has expired")
