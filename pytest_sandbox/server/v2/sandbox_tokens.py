"""The token of one sandbox, which clients send with calls about a sandbox that they created."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Protocol, TypeVar

from ..model.state import State
from ..rpc.call import ServedCall

#: Metadata: the token. Clients that found the sandbox by its id or name have none.
SANDBOX_TOKEN = "x-modal-sandbox-token"  # noqa: S105 - its name


class OfSandbox(Protocol):
    """A request about a sandbox."""

    @property
    def sandbox_id(self) -> str:
        """Its id."""


Request = TypeVar("Request", bound=OfSandbox)
Response = TypeVar("Response")
Handler = Callable[[Request, ServedCall], Awaitable[Response]]


def check_sandbox_token(state: State, sandbox_id: str, call: ServedCall) -> None:
    """Refuse the token of another sandbox.

    Raises:
        GRPCError: PERMISSION_DENIED or UNAUTHENTICATED.
    """
    token = call.header(SANDBOX_TOKEN)
    if token:
        state.tokens.check_sandbox(token, sandbox_id)


def with_sandbox_token(
    state: State, handler: Handler[Request, Response]
) -> Callable[[Request, ServedCall], Awaitable[Response]]:
    """A handler that checks the token first."""

    @wraps(handler)
    async def checked(request: Any, call: ServedCall) -> Response:
        check_sandbox_token(state, request.sandbox_id, call)
        return await handler(request, call)

    return checked
