"""Which hosts are this machine."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its name: no resolver is asked, which others may run.

    Args:
        host: an address, in brackets or not, or a name: of these, only `localhost` counts.
    """
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
