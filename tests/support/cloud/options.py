"""What a cloud does that a server on this machine does not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class RateLimit:
    """Calls that are refused with RESOURCE_EXHAUSTED, and with the time to wait.

    Attributes:
        times: how many.
        retry_after: seconds that a client is told to wait; `None` to tell it nothing.
    """

    times: int
    retry_after: float | None = 0.01


@dataclass(frozen=True)
class Loss:
    """A connection that is lost during a call, with all other calls on it.

    Attributes:
        rpc: the name of the call; empty for any.
        nth: which call of that name, counted from 1.
        how: `"reset"` (RST of TCP) or `"goaway"`: the server says that it goes away, and closes.
        carried_out: whether the call is carried out, and only its response is lost.
    """

    rpc: str = ""
    nth: int = 1
    how: Literal["reset", "goaway"] = "reset"
    carried_out: bool = False


@dataclass(frozen=True)
class OAuthUser:
    """A user with credentials by OAuth.

    Attributes:
        refresh_token: of the user.
        client_id: of the client that was given it.
        client_secret: of the client; empty if it signs.
        public_key: of the client, in PEM; empty if it has a secret.
    """

    refresh_token: str
    client_id: str
    client_secret: str = ""
    public_key: str = ""


@dataclass(frozen=True)
class CloudOptions:
    """How a cloud behaves; by default it is friendly.

    Attributes:
        token_id: that of its only user.
        token_secret: likewise.
        oauth: its other user.
        oldest_client: the oldest version of clients that it serves.
        auth_token_lifetime: seconds that tokens of `AuthTokenGet` are valid.
        router_token_lifetime: seconds that tokens of the command router are valid.
        leeway: seconds that a token is still taken after it expired. With a lifetime of 0, clients
            take each token for expired, and the cloud takes it all the same.
        start_polls: how often a client asks for the task of a new sandbox until it has one. If not
            0, the answer to a creation has no task and no way to the command router either.
        router_refusals: how many connections the command router ends before it serves any.
        list_delay: how many listings do not have a new sandbox, and have one that has ended.
        rate_limits: by names of calls.
        api_losses: connections to the API that are lost.
        router_losses: connections to the command router that are lost.
        warnings: what the trailing metadata of an answer warns of, by names of calls.
        part_size: bytes of the parts in which large contents have to come; 0 to take them whole.
        sandbox_tokens: whether a client is given a token with each sandbox, and has to show it.
    """

    token_id: str = "ak-cloud"
    token_secret: str = "as-cloud"
    oauth: OAuthUser | None = None
    oldest_client: tuple[int, int] = (1, 5)
    auth_token_lifetime: float = 20 * 60
    router_token_lifetime: float = 60 * 60
    leeway: float = 0.0
    start_polls: int = 0
    router_refusals: int = 0
    list_delay: int = 0
    rate_limits: Mapping[str, RateLimit] = field(default_factory=dict)
    api_losses: Sequence[Loss] = ()
    router_losses: Sequence[Loss] = ()
    warnings: Mapping[str, str] = field(default_factory=dict)
    part_size: int = 0
    sandbox_tokens: bool = True
