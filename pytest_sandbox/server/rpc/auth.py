"""Which callers may call which services at each listener.

| listener | control plane | command router | inspector, extensions |
|---|---|---|---|
| Unix socket | anybody who can open it: its folder is `0700` | Bearer token of the task | yes |
| TCP, TCP with TLS | the run's token id and secret | Bearer token of the task | no |
"""

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping

from grpclib import GRPCError, Status

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import Clock

from . import web_token

#: Seconds that a token of the command router is valid. It is long because clients of Modal before
#: 1.3 ask again and again once their token is about to expire.
ROUTER_TOKEN_LIFETIME = 24 * 3600
#: The most tokens that are remembered as valid; the signature of any other is checked.
KNOWN_TOKENS = 1000


@dataclass(frozen=True)
class TokenPair:
    """The token id and token secret of a client of Modal."""

    id: str
    secret: str

    @classmethod
    def random(cls) -> "TokenPair":
        """A new pair in the format of Modal's."""
        return cls(f"ak-{secrets.token_hex(11)}", f"as-{secrets.token_hex(11)}")


class RouterTokens:
    """Signs and checks the tokens of the command router, one per task, and those of sandboxes.

    They are for this process only.

    Args:
        clock: the engine's, by which tokens expire.
        lifetime: seconds that they are valid.

    Attributes:
        clock: by which tokens expire.
    """

    def __init__(self, clock: Clock, lifetime: float = ROUTER_TOKEN_LIFETIME) -> None:
        self.clock = clock
        self._lifetime = lifetime
        self._key = secrets.token_bytes(32)
        #: Task id and expiry of tokens whose signature need not be checked: they were issued here.
        self._valid: OrderedDict[str, tuple[str, float]] = OrderedDict()
        #: Of those, the last one of each task.
        self._last: dict[str, str] = {}

    def issue(self, task_id: str) -> str:
        """A new token for one task."""
        expiry = self.clock.now() + self._lifetime
        token = self._sign({"task_id": task_id, "exp": int(expiry)})
        self._valid[token] = task_id, expiry
        self._last[task_id] = token
        if len(self._valid) > KNOWN_TOKENS:
            oldest, (its_task, _) = self._valid.popitem(last=False)
            if self._last.get(its_task) == oldest:
                del self._last[its_task]
        return token

    def of_task(self, task_id: str) -> str:
        """The last token for a task, or a new one if less than half of its time is left."""
        token = self._last.get(task_id)
        if token is not None and self._valid[token][1] - self.clock.now() > self._lifetime / 2:
            return token
        return self.issue(task_id)

    def session(self) -> str:
        """A token that grants nothing: clients only look at its expiry."""
        return self._sign({"exp": int(self.clock.now() + self._lifetime)})

    def of_sandbox(self, sandbox_id: str) -> str:
        """A token that a client sends with its calls about a sandbox that it created."""
        return self._sign({"sandbox_id": sandbox_id})

    def check_sandbox(self, token: str, sandbox_id: str) -> None:
        """Refuse a token of another sandbox, which a client has confused.

        Raises:
            GRPCError: PERMISSION_DENIED or UNAUTHENTICATED.
        """
        try:
            claims = web_token.decode(token, self._key)
        except ValueError as error:
            raise _unauthenticated(f"not a valid token of a sandbox: {error}") from None
        if claims.get("sandbox_id") != sandbox_id:
            raise GRPCError(
                Status.PERMISSION_DENIED, f"the token is not that of Sandbox {sandbox_id!r}"
            )

    def _sign(self, claims: dict[str, object]) -> str:
        return web_token.encode(claims, self._key)

    def check(self, authorization: str | None) -> str:
        """The task that the bearer may command.

        Raises:
            GRPCError: UNAUTHENTICATED.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise _unauthenticated("the command router needs 'authorization: Bearer <token>'")
        known = self._valid.get(token)
        if known and known[1] > self.clock.now():
            return known[0]
        return self._decode(token)

    def _decode(self, token: str) -> str:
        try:
            claims = web_token.decode(token, self._key)
        except ValueError as error:
            raise _unauthenticated(f"not a valid token of the command router: {error}") from None
        expiry, task_id = claims.get("exp"), claims.get("task_id")
        if not isinstance(expiry, int) or expiry <= self.clock.now():
            raise _unauthenticated("the token of the command router has expired: ask for another")
        if not isinstance(task_id, str):
            raise _unauthenticated("not a token of the command router: it has no task_id")
        return task_id


@dataclass(frozen=True)
class ListenerConfig:
    """How one listener of the server lets callers in.

    Attributes:
        name: `"unix"`, `"tcp"` or `"tls"`, for records of calls.
        tokens: what callers of the control plane must send; `None` lets everybody in.
        inspector: whether our own services are served here, the inspector and the extensions.
        local: whether it is the Unix socket.
    """

    name: str
    tokens: TokenPair | None = None
    inspector: bool = False
    local: bool = False

    def check_control(self, metadata: Mapping[str, str | bytes]) -> None:
        """Refuse a caller of the control plane without the right tokens.

        Raises:
            GRPCError: UNAUTHENTICATED.
        """
        if self.tokens is None:
            return
        shown = _text(metadata, "x-modal-token-id"), _text(metadata, "x-modal-token-secret")
        # Compare both, in constant time: how long this takes must not tell which one is wrong.
        same_id = hmac.compare_digest(shown[0].encode(), self.tokens.id.encode())
        same_secret = hmac.compare_digest(shown[1].encode(), self.tokens.secret.encode())
        if not (same_id and same_secret):
            raise _unauthenticated(
                f"token id {shown[0]!r} with its secret does not open this server: set "
                "MODAL_TOKEN_ID and MODAL_TOKEN_SECRET to what the server printed when it started"
            )


def _text(metadata: Mapping[str, str | bytes], key: str) -> str:
    value = metadata.get(key, "")
    return value if isinstance(value, str) else value.decode(errors="replace")


def _unauthenticated(message: str) -> GRPCError:
    return GRPCError(Status.UNAUTHENTICATED, message)
