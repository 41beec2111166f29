"""Methods of Modal's sandboxes that are not implemented yet."""

from __future__ import annotations

from typing import NoReturn

from ..exceptions import UnimplementedError
from ..transport.dual import dual


class UnimplementedMethods:
    """Methods of a sandbox that raise `UnimplementedError`."""

    @dual
    async def create_connect_token(self, user_metadata: object = None) -> NoReturn:
        """Refused, as it is not implemented yet: see `tunnels`."""
        raise _not_implemented("create_connect_token")


def _not_implemented(name: str) -> UnimplementedError:
    return UnimplementedError(f"Sandbox.{name}() is not implemented yet in pytest-sandbox")
