"""What a program needs to talk HTTP to a sandbox."""

from __future__ import annotations

from dataclasses import field

from pytest_sandbox._shared.lazy_dataclass import dataclass


@dataclass(frozen=True)
class SandboxConnectCredentials:
    """An address and a token for it; see `Sandbox.create_connect_token`.

    Attributes:
        url: where requests go.
        token: for the header `Authorization: Bearer ...`, or `_modal_connect_token` in the query or
            in a cookie.
    """

    url: str
    token: str = field(repr=False)
