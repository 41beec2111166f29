"""What Modal's sandboxes can do and these cannot yet: refused by name."""

from __future__ import annotations

from typing import NoReturn

from ..exceptions import UnimplementedError
from ..transport.dual import dual


class UnimplementedMethods:
    """Methods of a sandbox that raise `UnimplementedError`."""

    @dual
    async def create_connect_token(self, user_metadata: object = None) -> NoReturn:
        """Refused, as it is not built yet: see `tunnels`."""
        raise _unbuilt("create_connect_token")


def _unbuilt(name: str) -> UnimplementedError:
    return UnimplementedError(f"Sandbox.{name}() is not built yet in pytest-sandbox")
