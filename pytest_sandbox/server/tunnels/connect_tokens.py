"""Connect tokens: whoever has one may talk HTTP to a port of a sandbox, as a user that it knows.

A token is in the header `Authorization: Bearer ...`, in the query as `_modal_connect_token`, or in
a cookie of that name, as at Modal. The program inside does not get to see it.
"""

import secrets
from dataclasses import replace

from pytest_sandbox._shared.lazy_dataclass import dataclass

from .http_head import HttpHead

_NAME = "_modal_connect_token"
#: What a program inside may trust: it is never what the client sent.
_VERIFIED = "X-Verified-User-Data"


@dataclass(frozen=True)
class ConnectGrant:
    """What a token is good for.

    Attributes:
        port: the port inside.
        user_metadata: for the program inside; empty for none.
    """

    port: int
    user_metadata: str


class ConnectTokens:
    """The tokens of one sandbox."""

    def __init__(self) -> None:
        self._grants: dict[str, ConnectGrant] = {}

    def issue(self, grant: ConnectGrant) -> str:
        """A new token."""
        token = secrets.token_urlsafe(32)
        self._grants[token] = grant
        return token

    def authorize(self, head: HttpHead) -> tuple[ConnectGrant, HttpHead] | None:
        """What a request may do, and its head for the program inside; `None` if it has no token."""
        for token, cleared in (*_in_query(head), *_in_cookie(head), *_in_header(head)):
            if (grant := self._grants.get(token)) is not None:
                return grant, _verified(cleared, grant)
        return None


def _verified(head: HttpHead, grant: ConnectGrant) -> HttpHead:
    head = head.without(_VERIFIED.lower())
    if not grant.user_metadata:
        return head
    return head.with_fields((_VERIFIED, grant.user_metadata.encode().decode("latin-1")))


def _in_query(head: HttpHead) -> list[tuple[str, HttpHead]]:
    method, target, version = head.words
    path, mark, query = target.partition("?")
    parts = query.split("&") if mark else []
    given = [part for part in parts if part.startswith(f"{_NAME}=")]
    if not given:
        return []
    rest = "&".join(part for part in parts if part not in given)
    target = f"{path}?{rest}" if rest else path
    cleared = replace(head, first=f"{method} {target} {version}")
    return [(given[0].partition("=")[2], cleared)]


def _in_cookie(head: HttpHead) -> list[tuple[str, HttpHead]]:
    cookies = [each.strip() for value in head.values("cookie") for each in value.split(";")]
    given = [each for each in cookies if each.startswith(f"{_NAME}=")]
    if not given:
        return []
    rest = "; ".join(each for each in cookies if each not in given)
    cleared = head.without("cookie")
    return [
        (given[0].partition("=")[2], cleared.with_fields(("Cookie", rest)) if rest else cleared)
    ]


def _in_header(head: HttpHead) -> list[tuple[str, HttpHead]]:
    words = [value.split() for value in head.values("authorization")]
    cleared = head.without("authorization")
    return [(pair[1], cleared) for pair in words if len(pair) == 2 and pair[0].lower() == "bearer"]
