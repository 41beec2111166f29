"""Sandboxes that see each other: the aliases of one network, and the addresses behind them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Generic, TypeVar

    T = TypeVar("T")
else:  # `typing` takes long to import
    T = None

    class Generic:
        """Tells type checkers of `T`; does nothing at run time."""

        def __class_getitem__(cls, _):
            return cls


#: Addresses that stand for members of networks of sandboxes; for benchmarks by RFC 2544, so none
#: that is in use in an internet.
SANDBOX_NETWORK_RANGE = "198.18.0.0/16"
_RANGE = IPv4Network(SANDBOX_NETWORK_RANGE)
#: Addresses that are left free, as in other networks: that of the network, and that of a gateway.
_SPARED = 2
#: Why a name is refused that is neither an alias nor one that may be asked for.
UNKNOWN = "no sandbox of its network has this alias, and no domain that is allowed is this name"
#: Aliases, and characters of a name, that are searched for what was meant.
_COMPARED, _LONGEST_COMPARED = 50, 32


def is_of_members(address: object) -> bool:
    """Whether an address stands for a member of a network of sandboxes, in such a network."""
    return isinstance(address, IPv4Address) and address in _RANGE


class Members(Generic[T]):
    """The members of one network.

    Each alias has an address of its own, so that a connection tells by which it was made. It is the
    same for as long as the network has members: programs remember addresses.
    """

    def __init__(self) -> None:
        self._members: dict[str, list[T]] = {}
        self._addresses: dict[str, IPv4Address] = {}
        self._aliases: dict[object, str] = {}
        self._count = 0

    def add(self, member: T, aliases: Iterable[str]) -> None:
        """Let a member be reached by aliases; it comes before those that have them already."""
        self._count += 1
        self.remember(aliases)
        for alias in aliases:
            self._members.setdefault(alias, []).append(member)

    def remember(self, aliases: Iterable[str]) -> None:
        """Have aliases resolve; the first ones have the first addresses."""
        for alias in aliases:
            if alias not in self._addresses:
                number = _SPARED + len(self._addresses) % (_RANGE.num_addresses - 2 * _SPARED)
                self._addresses[alias] = _RANGE[number]
                self._aliases[_RANGE[number]] = alias

    def remove(self, member: T, aliases: Iterable[str]) -> bool:
        """Forget a member; whether there are others."""
        self._count -= 1
        for alias in aliases:
            self._members[alias].remove(member)
        return self._count > 0

    def get(self, alias: str) -> T | None:
        """The member that has an alias; `None` if none has."""
        members = self._members.get(alias)
        return members[-1] if members else None

    def had(self, alias: str) -> bool:
        """Whether a member has this alias, or had it."""
        return alias in self._addresses

    def aliases(self) -> list[str]:
        """Those by which a member can be reached."""
        return [alias for alias, members in self._members.items() if members]

    def unknown(self, name: str) -> str:
        """Why a name is refused that is neither an alias nor one that may be asked for.

        It takes a bounded time, but not a short one.
        """
        from ..suggestions import did_you_mean  # late: it takes long to import, and few ask

        aliases = self.aliases()[:_COMPARED] if len(name) <= _LONGEST_COMPARED else ()
        if hint := did_you_mean(name, aliases):
            return f"no sandbox of its network has this alias; {hint}"
        return UNKNOWN

    def address(self, alias: str) -> IPv4Address:
        """What an alias that a member has, or had, resolves to."""
        return self._addresses[alias]

    def alias_at(self, address: object) -> str:
        """The alias that resolves to an address; empty if none does."""
        return self._aliases.get(address, "")
