"""Networks of sandboxes, whose members see each other."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from pytest_sandbox._proto.extensions_pb2 import SandboxMembership
from pytest_sandbox._shared.network.aliases import problem_with_alias
from pytest_sandbox._shared.type_names import type_name

from ..exceptions import InvalidError

if TYPE_CHECKING:
    from collections.abc import Sequence

__tracebackhide__ = True  # a failing test shows the caller's line, not these


class SandboxNetwork:
    """A network of sandboxes: `Sandbox.create(network=net, alias="db")`.

    Programs in its sandboxes connect to the ports of the others by their aliases. It is only an id:
    it needs no engine, it can be passed to other processes of the run, and nothing has to end it.

    Args:
        network_id: the `object_id` of the network to be; a new one if not given.

    Raises:
        InvalidError: the id is no text, or empty.
    """

    def __init__(self, network_id: str | None = None) -> None:
        if network_id is not None and (not isinstance(network_id, str) or not network_id):
            raise InvalidError(f"{network_id!r} is not the id of a network of sandboxes")
        self._id = network_id or f"sandbox-network-{secrets.token_hex(12)}"

    def __repr__(self) -> str:
        return f"SandboxNetwork({self._id!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SandboxNetwork) and self._id == other._id

    def __hash__(self) -> int:
        return hash(self._id)

    @property
    def object_id(self) -> str:
        """Its id, of which `SandboxNetwork(id)` makes the same network."""
        return self._id


def membership(network: object, alias: object) -> SandboxMembership | None:
    """What the arguments `network` and `alias` of `Sandbox.create` mean; `None` for no network.

    Raises:
        InvalidError: there is an alias and no network, or it cannot be one.
    """
    names = _aliases(alias)
    if isinstance(network, SandboxNetwork):
        return SandboxMembership(network_id=network.object_id, aliases=names)
    if names:
        raise InvalidError(
            f"alias={alias!r} is for a sandbox in a network: give network=SandboxNetwork() too"
        )
    return None


def _aliases(alias: object) -> Sequence[str]:
    if alias is None:
        return ()
    if not isinstance(alias, str | list | tuple):
        raise InvalidError(f"alias={alias!r} is {type_name(alias)}, no name or list of names")
    names = [alias] if isinstance(alias, str) else alias
    for name in names:
        if wrong := problem_with_alias(name):
            raise InvalidError(f"alias {name!r} {wrong}")
    return names
