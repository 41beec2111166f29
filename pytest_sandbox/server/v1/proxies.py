"""Proxies: found by name; clients cannot make them."""

from google.protobuf.empty_pb2 import Empty

from pytest_sandbox._proto import proxies_pb2 as pb

from ..model.proxies import ProxyRecord
from ..model.state import State
from ..rpc.call import ServedCall


class ProxyServicer:
    """The RPCs behind `modal.Proxy.from_name`."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def ProxyGet(self, request: pb.ProxyGetRequest, call: ServedCall) -> pb.ProxyGetResponse:
        """The proxy of a name."""
        environment = self._state.apps.environment(request.environment_name)
        return pb.ProxyGetResponse(
            proxy=_message(self._state.proxies.named(environment, request.name))
        )

    async def ProxyList(self, request: Empty, call: ServedCall) -> pb.ProxyListResponse:
        """Every proxy."""
        return pb.ProxyListResponse(proxies=[_message(each) for each in self._state.proxies.all()])


def _message(proxy: ProxyRecord) -> pb.Proxy:
    return pb.Proxy(
        name=proxy.name,
        created_at=proxy.created_at,
        environment_name=proxy.environment,
        proxy_ips=[
            pb.ProxyIp(
                proxy_ip=address,
                status=pb.PROXY_IP_STATUS_ONLINE,
                created_at=proxy.created_at,
                environment_name=proxy.environment,
            )
            for address in proxy.addresses
        ],
        proxy_id=proxy.id,
    )
