"""What Modal's sandboxes can do and these cannot yet: refused by name."""

from __future__ import annotations

from typing import NoReturn

from ._dual import dual
from .exceptions import UnimplementedError


class Unbuilt:
    """Methods of a sandbox that raise `UnimplementedError`."""

    @dual
    async def snapshot_filesystem(self, timeout: int = 55) -> NoReturn:
        """Refused, as it is not built yet."""
        raise _unbuilt("snapshot_filesystem")

    @dual
    async def tunnels(self, timeout: int = 50) -> NoReturn:
        """Refused, as ports cannot be opened yet."""
        raise _unbuilt("tunnels")

    @dual
    async def create_connect_token(self, user_metadata: object = None) -> NoReturn:
        """Refused, as ports cannot be opened yet."""
        raise _unbuilt("create_connect_token")

    @dual
    async def reload_volumes(self) -> NoReturn:
        """Refused, as volumes cannot be mounted yet."""
        raise _unbuilt("reload_volumes")


def _unbuilt(name: str) -> UnimplementedError:
    return UnimplementedError(f"Sandbox.{name}() is not built yet in pytest-sandbox")
