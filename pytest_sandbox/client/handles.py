"""Objects of a server in other processes: they are pickled with the address of their server.

They are made again with a client of the other process. The address is the path of a socket that
only the same user can open; tokens are not pickled, the other process asks for its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._shared.pickling import refuse_to_pickle

from .default_client import DEFAULT

if TYPE_CHECKING:
    from .base_client import BaseClient


def address(client: BaseClient, thing: object) -> str:
    """Where other processes reach the server of an object.

    Args:
        client: of the object.
        thing: the object, for the error.

    Raises:
        TypeError: the server is in the memory of this process.
    """
    where = client.channels.server.address
    if not where:
        refuse_to_pickle(
            thing,
            "the engine is in the memory of this one (fake). Use threads in the test, or run it "
            "on the local engine: without fake_sandboxes, and with --sandbox-engine=local",
        )
    return where


def optional_address(client: BaseClient | None, thing: object) -> str:
    """The same; empty for an object that has no client of its own."""
    return "" if client is None else address(client, thing)


def client_at(where: str) -> BaseClient:
    """A client of this process for a server."""
    return DEFAULT.at(where)


def optional_client_at(where: str) -> BaseClient | None:
    """The same; `None` for an object that has no client of its own."""
    return DEFAULT.at(where) if where else None
