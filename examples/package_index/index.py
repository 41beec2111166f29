"""Where packages come from: the public index, or the one that pip uses here."""

import ipaddress
import os
import socket
from urllib.parse import urlsplit

URL = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple")
HOSTS = [urlsplit(URL).hostname or URL]
if HOSTS == ["pypi.org"]:
    HOSTS.append("files.pythonhosted.org")  # which has its files

#: The certificates of this machine, which sandboxes have too: the index of a company may need one
#: that pip does not bring along.
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def unreachable() -> str:
    """Why the index cannot be reached from this machine; empty if it can."""
    try:
        socket.create_connection((HOSTS[0], 443), timeout=5).close()
    except OSError as error:
        return f"no package index here: {HOSTS[0]}: {error}"
    return ""


def networks() -> list[str]:
    """Those of its addresses that are not public, as in a company: a name alone allows none."""
    found = set()
    for host in HOSTS:
        for info in socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM):
            address = ipaddress.ip_address(str(info[4][0]))
            if not address.is_global:
                found.add(str(ipaddress.ip_network(address)))
    return sorted(found)
