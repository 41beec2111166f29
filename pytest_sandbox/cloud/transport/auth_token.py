"""The token that calls of the second version of the API carry: a JWT that lives for a short time.

It is renewed at half of its life while calls go on with the old one, and waited for only when there
is no valid one.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = logging.getLogger("pytest_sandbox.cloud")

#: The part of its life after which it is renewed.
_RENEWED_AT = 0.5
#: Seconds that one without an expiry is taken to live.
_DEFAULT_LIFE = 20 * 60.0
#: Seconds until a renewal that failed is tried again, at first and at most.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0


class AuthToken:
    """The token, which is asked for when it is first needed.

    One that has expired when it comes is used all the same, and asked for each time: the clock of
    this machine may be wrong.

    Args:
        fetch: asks Modal for one.
        now: seconds since the epoch.
    """

    def __init__(
        self, fetch: Callable[[], Awaitable[str]], now: Callable[[], float] = time.time
    ) -> None:
        self._fetch = fetch
        self._now = now
        self._token = ""
        self._expiry = self._renew_at = 0.0
        self._pause = _FIRST_PAUSE
        self._renewal: asyncio.Task[None] | None = None

    async def get(self) -> str:
        """One that is valid.

        Raises:
            GRPCError: Modal gives none.
        """
        now = self._now()
        if now >= self._expiry:
            await self._renew()
        elif now >= self._renew_at and self._renewal is None:
            self._begin()  # calls go on with the one that is valid still
        return self._token

    async def renewed(self, refused: str) -> str:
        """Another one than that which a server has refused."""
        if self._token == refused:
            self._expiry = 0.0
        return await self.get()

    def close(self) -> None:
        """End a renewal that is under way."""
        if self._renewal is not None:
            self._renewal.cancel()

    async def _renew(self) -> None:
        # Shielded: a call that is given up must not end what other calls wait for.
        await asyncio.shield(self._renewal or self._begin())

    def _begin(self) -> asyncio.Task[None]:
        self._renewal = asyncio.ensure_future(self._ask())
        self._renewal.add_done_callback(self._done)
        return self._renewal

    def _done(self, renewal: asyncio.Task[None]) -> None:
        self._renewal = None
        if not renewal.cancelled() and (error := renewal.exception()) is not None:
            log.warning("Modal gave no new token: %s", error)
            self._renew_at = self._now() + self._pause
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    async def _ask(self) -> None:
        token = await self._fetch()
        now = self._now()
        expiry = expiry_of(token)
        if expiry is None:
            expiry = now + _DEFAULT_LIFE
        self._token, self._expiry = token, expiry
        self._renew_at = now + _RENEWED_AT * (expiry - now)
        self._pause = _FIRST_PAUSE


def expiry_of(token: str) -> float | None:
    """When a JWT expires, seconds since the epoch, unverified; `None` if it does not say."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (IndexError, ValueError, KeyError, TypeError):
        return None
