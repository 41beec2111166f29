"""Where connections of a sandbox may lead."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from pytest_sandbox._shared.network.domains import matches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    Address: TypeAlias = IPv4Address | IPv6Address
    NetworkRange: TypeAlias = IPv4Network | IPv6Network

#: What is refused unless a network names it, and what it is. All but two are from the registries of
#: special-purpose addresses, RFC 6890: what they reach depends on where the machine is.
_RESTRICTED: tuple[tuple[NetworkRange, str], ...] = tuple(
    (ip_network(network), what)
    for what, networks in {
        "loopback": ("127.0.0.0/8", "::1/128"),
        "of this machine": ("0.0.0.0/8", "::/128"),
        "link-local, where clouds have their metadata": ("169.254.0.0/16", "fe80::/10"),
        "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"),
        "shared by customers of a provider": ("100.64.0.0/10",),
        # Of Azure, on each virtual machine; a public address by the registry.
        "metadata of a cloud": ("168.63.129.16/32",),
        "for special purposes": (
            *("192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "100::/64", "2001::/23"),
            *("5f00::/16", "64:ff9b:1::/48"),
        ),
        "for documentation": (
            *("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"),
        ),
        "multicast": ("224.0.0.0/4", "ff00::/8"),
        "reserved": ("240.0.0.0/4",),
    }.items()
    for network in networks
)
#: Addresses of IPv6 that stand for one of IPv4, and how many bits come after that one: translated
#: (RFC 6052, RFC 8215, RFC 2765), 6to4 (RFC 3056), compatible (RFC 4291).
_CARRIERS: tuple[tuple[NetworkRange, int], ...] = (
    (ip_network("64:ff9b::/96"), 0),
    (ip_network("64:ff9b:1::/48"), 0),
    (ip_network("::ffff:0:0:0/96"), 0),
    (ip_network("2002::/16"), 80),
    (ip_network("::/96"), 0),
)
_LOOPBACK = "it is loopback of this machine, which no list allows"
_OF_THIS_MACHINE = "it is one of this machine, and no network that is allowed is it alone"


class Reach:
    """Where connections of a sandbox may lead.

    Args:
        cidrs: networks that are allowed.
        domains: names that are, and patterns for them; see `matches`.
        leads_elsewhere: whether an address, given its family and its bytes, is one of another
            machine; raises an `OSError` if there is no route.

    Attributes:
        domains: as given.
    """

    def __init__(
        self,
        cidrs: Sequence[str],
        domains: Sequence[str],
        leads_elsewhere: Callable[[int, bytes], bool],
    ) -> None:
        self.domains = domains
        self._elsewhere = leads_elsewhere
        self._networks = [ip_network(text) for text in cidrs]

    def names(self, name: str) -> bool:
        """Whether a name is allowed; it is canonical."""
        return any(matches(name, pattern) for pattern in self.domains)

    def may_be_asked_for(self, name: str) -> bool:
        """Whether a program may learn the addresses of a name.

        To ask for a name is to tell it to name servers, which anybody may have: it is a way out.
        """
        return self.names(name) or any(network.prefixlen == 0 for network in self._networks)

    def refusal(self, address: Address, *, by_name: bool = False) -> str:
        """Why a connection to an address is refused; empty if it is not.

        Args:
            address: to be connected to; see `plain`.
            by_name: whether it is one of a name that is allowed.
        """
        containing = [network for network in self._networks if address in network]
        if not containing and not by_name:
            return "no network that is allowed contains it"
        # From a sandbox, these lead to itself; those of a name would lead to the machine.
        if address.is_loopback or address.is_unspecified:
            return _LOOPBACK
        narrowest = max((network.prefixlen for network in containing), default=0)
        for one in (address, *carried(address)):
            for restricted, what in _RESTRICTED:
                named = one == address and narrowest >= restricted.prefixlen
                if one in restricted and not named:
                    return f"it is {what}, and no network that is allowed names it"
        if narrowest == address.max_prefixlen:
            return ""
        for one in carried(address):
            with contextlib.suppress(OSError):  # the machine has no way there, a translator may
                if not self._leads_elsewhere(one):
                    return _OF_THIS_MACHINE
        try:
            return "" if self._leads_elsewhere(address) else _OF_THIS_MACHINE
        except OSError as error:
            return f"the machine has no way there: {error.strerror}"

    def _leads_elsewhere(self, address: Address) -> bool:
        return self._elsewhere(_family(address), address.packed)


def plain(text: str) -> Address:
    """An address; that of IPv4 for one that is only written as IPv6."""
    address = ip_address(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def carried(address: Address) -> list[IPv4Address]:
    """The address of IPv4 that packets to one of IPv6 may be sent on to."""
    if not isinstance(address, IPv6Address):
        return []
    return [
        IPv4Address(int(address) >> after & 0xFFFFFFFF)
        for network, after in _CARRIERS
        if address in network
    ]


def _family(address: Address) -> int:
    return 2 if address.version == 4 else 10
