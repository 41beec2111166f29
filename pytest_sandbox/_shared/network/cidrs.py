"""Networks, as text such as `"192.0.2.0/24"`."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network

from .reach import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .reach import NetworkRange


def parse_cidr(text: object) -> NetworkRange:
    """A network of IPv4 or IPv6.

    Raises:
        ValueError: it is none; the message has the text, what is wrong, and what may be meant.
    """
    # A number is an address too, and a zone is no part of a network.
    if not isinstance(text, str) or "%" in text:
        raise ValueError(f"Invalid CIDR: {text!r} is not text such as '192.0.2.0/24'")
    try:
        return ip_network(text)
    except ValueError as error:
        raise ValueError(f"Invalid CIDR: {text!r}: {error}{_near(text)}") from None


def _near(text: str) -> str:
    try:
        network = ip_network(text.strip(), strict=False)
    except ValueError:
        return ""
    return f"; did you mean {str(network)!r}?"


def contains(networks: list[NetworkRange], host: str) -> bool:
    """Whether one of the networks contains an address, however that is written.

    An address of IPv4 that is written as one of IPv6 is in the networks of IPv4, and those of IPv6
    that are written so contain it.
    """
    address = plain(host.partition("%")[0])
    return any(address in _plain(network) for network in networks)


def _plain(network: NetworkRange) -> NetworkRange:
    """The network of IPv4 that one of IPv6 is only another spelling of."""
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((IPv4Address(mapped), network.prefixlen - 96))
    return network
