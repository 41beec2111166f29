"""What holds for the calls of the API, and for those of the command router."""

import base64
from collections.abc import Mapping
from typing import Any

from grpclib import GRPCError, Status

from pytest_sandbox._proto import apps_pb2, sandboxes_pb2, volumes_pb2

from .auth_tokens import AuthTokens
from .listings import Listings
from .options import CloudOptions
from .parts import Parts
from .versions import is_second, refuse_first, refuse_old


class Rules:
    """What holds for calls: nothing, as on the command router."""

    def let_in(self, rpc: str, metadata: Mapping[str, str]) -> None:
        """Refuse a call by its name and metadata.

        Raises:
            GRPCError: it is refused.
        """

    def request(self, rpc: str, message: Any) -> Any:
        """The request to make in the place of one."""
        return message

    def response(self, rpc: str, message: Any) -> Any:
        """The answer to give in the place of one."""
        return message


class ApiRules(Rules):
    """What holds for calls of the API.

    Args:
        options: of the cloud.
        tokens: of `AuthTokenGet`.
        parts: takes large contents.

    Attributes:
        revoked: whether no token opens anything any more.
    """

    def __init__(self, options: CloudOptions, tokens: AuthTokens, parts: Parts) -> None:
        self._options = options
        self._tokens = tokens
        self._parts = parts
        self.revoked = False
        self._blob = volumes_pb2.BlobCreateRequest()
        self._listings = Listings(options.list_delay)
        self._asked = sandboxes_pb2.SandboxListRequest()
        #: How often the task of a sandbox is asked for until it is told, by task.
        self._polls: dict[str, int] = {}

    def let_in(self, rpc: str, metadata: Mapping[str, str]) -> None:
        """Refuse a client that is too old, a call of the first version, one without a token."""
        if self.revoked:
            raise GRPCError(Status.UNAUTHENTICATED, "this token was deleted")
        refuse_old(metadata.get("x-modal-client-version", ""), self._options.oldest_client)
        refuse_first(rpc)
        if is_second(rpc):
            self._tokens.check(metadata.get("x-modal-auth-token", ""))

    def request(self, rpc: str, message: Any) -> Any:
        """Have a listing tell of sandboxes that have ended."""
        if rpc == "SandboxListV2":
            self._asked = message
            return self._listings.ask(message)
        if rpc == "BlobCreate":
            self._blob = message
        return message

    def response(self, rpc: str, message: Any) -> Any:
        """Tell of news when it is time to."""
        if isinstance(message, apps_pb2.AuthTokenGetResponse):
            message.token = self._tokens.issue()
        elif rpc == "BlobCreate" and self._options.part_size:
            digest = base64.b64decode(self._blob.content_sha256_base64).hex()
            return self._parts.answer(self._blob.content_length, digest)
        elif rpc in ("SandboxCreateV2", "SandboxRestoreV2"):
            self._created(message)
        elif isinstance(message, sandboxes_pb2.SandboxGetTaskIdResponse):
            left = self._polls.get(message.task_id, 0)
            self._polls[message.task_id] = left - 1
            if left > 0:
                message.task_id = ""
        elif isinstance(message, sandboxes_pb2.SandboxListResponse):
            return self._listings.answer(self._asked, message)
        return message

    def _created(self, message: Any) -> None:
        if not self._options.sandbox_tokens and hasattr(message, "sandbox_token"):
            message.ClearField("sandbox_token")
        if self._options.start_polls:
            self._polls.setdefault(message.task_id, self._options.start_polls)
            message.ClearField("task_id")
            message.ClearField("command_router_access")
