"""Proxies: fixed addresses from which connections of a sandbox come, at Modal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_sandbox._proto.proxies_pb2 import ProxyGetRequest
from pytest_sandbox._shared.type_names import type_name

from .default_client import default_client
from .exceptions import ExecutionError, InvalidError
from .handles import optional_address, optional_client_at
from .refusals import refused
from .transport.dual import dual
from .validation import check_name

if TYPE_CHECKING:
    from .base_client import BaseClient

__tracebackhide__ = True  # a failing test shows the caller's line, not these


class ProxyReference:
    """What a server is asked for to get a proxy, and the ids that servers answered with.

    Args:
        request: asks for it.
        client: whose proxy; that of the sandbox it is used for if not given.
    """

    def __init__(self, request: ProxyGetRequest, client: BaseClient | None) -> None:
        self.request = request
        self.client = client
        self.ids: dict[BaseClient, str] = {}

    async def id(self, client: BaseClient) -> str:
        """The id of the proxy.

        Raises:
            NotFoundError: there is none of that name.
        """
        client = self.client or client
        if client not in self.ids:
            response = await client.calls.control(lambda link: link.control.ProxyGet, self.request)
            self.ids[client] = response.proxy.proxy_id
        return self.ids[client]


class Proxy:
    """A proxy that the server was set up with, for `Sandbox.create(proxy=...)`.

    It has no effect: connections come from this machine.

    Attributes:
        reference: finds it on a server; for the other classes of this package.
    """

    def __init__(self, reference: ProxyReference) -> None:
        self.reference = reference

    @staticmethod
    def from_name(
        name: str, *, environment_name: str | None = None, client: BaseClient | None = None
    ) -> Proxy:
        """The proxy of a name. It is looked up when it is used.

        Args:
            name: of the proxy.
            environment_name: the environment it is in.
            client: whose proxy; that of the sandbox it is used for if not given.

        Raises:
            InvalidError: that cannot be a name.
        """
        check_name(name, "Proxy")
        request = ProxyGetRequest(name=name, environment_name=environment_name or "")
        return Proxy(ProxyReference(request, client))

    def __repr__(self) -> str:
        return f"Proxy.from_name({self.reference.request.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        reference = self.reference
        return _unpickled, (reference.request, optional_address(reference.client, self))

    @dual
    async def hydrate(self, client: BaseClient | None = None) -> Proxy:
        """Look it up now.

        Args:
            client: whose proxy, if it does not know.

        Raises:
            NotFoundError: there is none of that name.
        """
        await proxy_id(self, client or await default_client())
        return self

    @property
    def client(self) -> BaseClient | None:
        """The client that it is of; `None` if it is looked up where it is used."""
        return self.reference.client

    @property
    def object_id(self) -> str:
        """Its id.

        Raises:
            ExecutionError: it was not looked up yet.
        """
        for known in self.reference.ids.values():
            return known
        raise ExecutionError(f"{self!r} was not looked up yet: call hydrate()")

    get_dashboard_url = refused("Proxy.get_dashboard_url", "there is no dashboard")


def _unpickled(request: ProxyGetRequest, where: str) -> Proxy:
    return Proxy(ProxyReference(request, optional_client_at(where)))


def check_proxy(proxy: Proxy | None) -> None:
    """Raise `InvalidError` unless it is a proxy, or none."""
    if proxy is not None and not isinstance(proxy, Proxy):
        raise InvalidError(
            f"proxy={proxy!r} is {type_name(proxy)}, no Proxy, as in Proxy.from_name(...)"
        )


async def proxy_id(proxy: Proxy | None, client: BaseClient) -> str | None:
    """The id by which the server of a client knows it; `None` for none."""
    return None if proxy is None else await proxy.reference.id(client)
