"""Where tunnels listen: addresses of the loopback network, all of which is this machine's own."""

import errno
import hashlib
import socket

#: Where tunnels listen that have no address of their own.
HOST = "127.0.0.1"
#: The port that a client of HTTPS assumes; at Modal, encrypted tunnels are there.
_HTTPS = 443
#: How many addresses are tried, in case that others listen there.
_TRIES = 4
#: Connections that wait to be accepted.
_BACKLOG = 100


def plain_listener() -> socket.socket:
    """A socket that listens at a port that the kernel chooses.

    Raises:
        OSError: there is no free descriptor or port.
    """
    return _listener(HOST, 0)


def https_listener(name: str) -> socket.socket:
    """A socket that listens at port 443 of an address of its own.

    It listens at any port of `HOST` instead where ports below 1024 are for root only
    (`ip_unprivileged_port_start`, ip(7)), where a server has the port on all addresses, on systems
    without such addresses, and behind a proxy: `no_proxy` has `HOST`, and not these.

    Args:
        name: what the address is computed from, so that it is the same in every run.

    Raises:
        OSError: there is no free descriptor or port.
    """
    from urllib.request import getproxies_environment  # it imports `http.client` and `email`

    for attempt in range(0 if "https" in getproxies_environment() else _TRIES):
        try:
            return _listener(_address(f"{name}/{attempt}"), _HTTPS)
        except OSError as error:  # noqa: PERF203 - each turn is an attempt
            if error.errno != errno.EADDRINUSE:
                break
    return plain_listener()


def _address(name: str) -> str:
    """An address from 127.1.0.1 to 127.255.255.254: people use those that begin with 127.0."""
    first, second, third = hashlib.sha256(name.encode()).digest()[:3]
    return f"127.{first % 255 + 1}.{second}.{third % 254 + 1}"


def _listener(host: str, port: int) -> socket.socket:
    # asyncio sends what little there is at once (TCP_NODELAY) only if the protocol is named.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # Connections of an earlier listener may still be closing, TIME_WAIT in tcp(7).
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener
