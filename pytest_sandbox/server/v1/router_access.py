"""How a client reaches the command router of a task."""

import re

from pytest_sandbox._proto import containers_pb2 as pb

from ..certificates import remedy
from ..model.state import State
from ..rpc.call import ServedCall
from ..rpc.errors import not_found, precondition

#: Values of `x-modal-client-type`.
_PYTHON = "1"
_VERSION = re.compile(r"(\d+)\.(\d+)")


class RouterAccessServicer:
    """The RPC of the control plane that gives a client an address it accepts.

    Our own client uses its Unix socket. Of Modal's clients, Python before 1.5 needs `https` and
    speaks TLS; later ones accept `http`; those for JavaScript and Go need `https` in the
    address, but speak plaintext to an address of this machine.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    async def TaskGetCommandRouterAccess(
        self, request: pb.TaskGetCommandRouterAccessRequest, call: ServedCall
    ) -> pb.TaskGetCommandRouterAccessResponse:
        """A token for the task, and the address of the router for this client."""
        sandbox = self._state.sandboxes.of_task(request.task_id)
        if sandbox.result is not None:
            raise not_found("running task", request.task_id, sandbox.why_ended)
        sandbox.router_token = self._state.tokens.renew(sandbox.task_id, sandbox.router_token)
        return pb.TaskGetCommandRouterAccessResponse(jwt=sandbox.router_token, url=self._url(call))

    def _url(self, call: ServedCall) -> str:
        if call.listener.local:
            return "unix:"
        authority = self._state.router_plain_authority
        if call.header("x-modal-client-type") != _PYTHON:
            return f"https://{authority}"
        if _version(call.header("x-modal-client-version")) >= (1, 5):
            return f"http://{authority}"
        if self._state.router_tls_url is None:
            # Clients before 1.4 then use the control plane instead.
            raise precondition(f"this client wants TLS for the command router, which {remedy()}")
        return self._state.router_tls_url


def _version(text: str) -> tuple[int, int]:
    match = _VERSION.match(text)
    return (int(match[1]), int(match[2])) if match else (0, 0)
