"""How a client reaches the command router of a task: a token, and an address that it accepts."""

import re

from ..certificates import remedy
from ..rpc.call import ServedCall
from ..rpc.errors import precondition
from .sandbox import ServedSandbox
from .state import State

#: Values of `x-modal-client-type`.
_PYTHON = "1"
_VERSION = re.compile(r"(\d+)\.(\d+)")


def router_token(state: State, sandbox: ServedSandbox) -> str:
    """The token for the task of a sandbox; a new one if the former is half used up."""
    return state.tokens.of_task(sandbox.task_id)


def router_metadata(state: State, sandbox: ServedSandbox) -> dict[str, str | bytes]:
    """Metadata that saves a client which knows it two calls before its first command."""
    token = router_token(state, sandbox)
    return {"x-sandbox-task-id": sandbox.task_id, "x-sandbox-router-jwt": token}


def router_url(state: State, call: ServedCall) -> str:
    """The address of the command router for the client that calls.

    Our own client uses its Unix socket. Of Modal's clients, Python before 1.5 needs `https` and
    speaks TLS; later ones accept `http`; those for JavaScript and Go need `https` in the
    address, but speak plaintext to an address of this machine. All of them speak TLS to an address
    of another machine.

    Raises:
        GRPCError: FAILED_PRECONDITION: the client wants TLS, and there is none.
    """
    if call.listener.local:
        return "unix:"
    authority = state.router_plain_authority
    if authority is None and state.router_tls_url is not None:
        return state.router_tls_url  # others can reach it
    if call.header("x-modal-client-type") != _PYTHON:
        return f"https://{authority}"
    if _version(call.header("x-modal-client-version")) >= (1, 5):
        return f"http://{authority}"
    if state.router_tls_url is None:
        # Clients before 1.4 then use the control plane instead.
        raise precondition(f"this client wants TLS for the command router, which {remedy()}")
    return state.router_tls_url


def _version(text: str) -> tuple[int, int]:
    match = _VERSION.match(text)
    return (int(match[1]), int(match[2])) if match else (0, 0)
