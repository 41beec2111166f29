"""Proxies: names by which Modal lets connections come from a fixed address.

Here a proxy is only a name, which must have been set up: connections of a sandbox that uses it come
from this machine, as those of others.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import replace

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import Clock

from ..rpc.errors import not_found
from .apps import DEFAULT_ENVIRONMENT
from .ids import Ids


@dataclass(frozen=True)
class ProxyRecord:
    """A proxy.

    Attributes:
        id: begins with `pr-`.
        name: by which clients find it.
        environment: where the name is valid.
        addresses: what it says that connections come from.
        created_at: in seconds since the Unix epoch.
    """

    id: str
    name: str
    environment: str
    addresses: tuple[str, ...]
    created_at: float


class ProxyRegistry:
    """Proxies by id, and by name in an environment; clients cannot make any."""

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids
        self._proxies: dict[str, ProxyRecord] = {}

    def add(
        self, name: str, environment: str = DEFAULT_ENVIRONMENT, addresses: Sequence[str] = ()
    ) -> ProxyRecord:
        """Set one up, in place of one of the same name.

        Args:
            name: its name.
            environment: where the name is valid.
            addresses: what it says that connections come from; of no effect.

        Raises:
            ValueError: one of them is no address.
        """
        for address in addresses:
            ipaddress.ip_address(address)
        former = self._named(environment, name)
        if former is not None:
            del self._proxies[former.id]
        proxy = ProxyRecord(
            self._ids.new("pr"), name, environment, tuple(addresses), self._clock.now()
        )
        self._proxies[proxy.id] = proxy
        return proxy

    def get(self, proxy_id: str) -> ProxyRecord:
        """A proxy by id.

        Raises:
            GRPCError: NOT_FOUND.
        """
        try:
            return self._proxies[proxy_id]
        except KeyError:
            raise not_found("Proxy", proxy_id) from None

    def named(self, environment: str, name: str) -> ProxyRecord:
        """The proxy of that name.

        Raises:
            GRPCError: NOT_FOUND, with what to do.
        """
        proxy = self._named(environment, name)
        if proxy is None:
            raise not_found("Proxy", name, "modal.Proxy is for proxies that were set up as presets")
        return proxy

    def rename_environment(self, environment: str, new_name: str) -> None:
        """Move the proxies of an environment to another one, which has none."""
        for proxy in self.all():
            if proxy.environment == environment:
                self._proxies[proxy.id] = replace(proxy, environment=new_name)

    def remove_environment(self, environment: str) -> None:
        """Forget the proxies of an environment."""
        for proxy in self.all():
            if proxy.environment == environment:
                del self._proxies[proxy.id]

    def all(self) -> list[ProxyRecord]:
        """Every proxy, in the order in which they were set up."""
        return list(self._proxies.values())

    def _named(self, environment: str, name: str) -> ProxyRecord | None:
        for proxy in self._proxies.values():
            if (proxy.environment, proxy.name) == (environment, name):
                return proxy
        return None
