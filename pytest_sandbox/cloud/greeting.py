"""The first call: whether Modal can be reached, and takes the token and the version."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from google.protobuf.empty_pb2 import Empty
from grpclib import GRPCError, Status

from pytest_sandbox._shared.network.http_proxy import OFF, is_off
from pytest_sandbox.engine import EngineUnavailable

if TYPE_CHECKING:
    from .control import ControlPlane
    from .transport.settings import CloudSettings
    from .warnings_of_modal import CloudWarnings

#: Seconds that Modal has to answer, each time and in all: the start of a run may take 30.
_TIMEOUT, _IN_ALL = 10.0, 20.0
#: Variables by which there may be a proxy.
_PROXIES = ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY")
_MAKE_ONE = (
    "Make a new one: modal token new. Tokens end when they are deleted at "
    "https://modal.com/settings/tokens."
)


async def greet(control: ControlPlane, warnings: CloudWarnings) -> None:
    """Say hello.

    Args:
        control: Modal.
        warnings: takes what Modal warns of.

    Raises:
        EngineUnavailable: Modal cannot be reached, or does not let this client in; the remedy says
            whose fault that is.
    """
    try:
        asking = control.ask("ClientHello", Empty(), timeout=_TIMEOUT)
        hello = await asyncio.wait_for(asking, _IN_ALL)
    except asyncio.TimeoutError:
        words = f"no answer within {_IN_ALL:g} seconds"
        raise _refusal(control.settings, GRPCError(Status.UNAVAILABLE, words)) from None
    except GRPCError as error:
        raise _refusal(control.settings, error) from None
    for text in (hello.warning, *(each.message for each in hello.server_warnings)):
        if text:
            warnings.add("", text)


def _refusal(settings: CloudSettings, error: GRPCError) -> EngineUnavailable:
    """Why Modal cannot be used, and what to do."""
    server = " or ".join(settings.server_urls)
    said = error.message or error.status.name
    if error.status is Status.UNAUTHENTICATED:
        what = "the token" if settings.oauth is None else "the credentials of the OAuth client"
        return EngineUnavailable(
            f"Modal ({server}) does not take {what} {settings.who!r}, which is that of "
            f"{settings.source}: {said}",
            _MAKE_ONE if settings.oauth is None else "Get new ones from the service that has them.",
        )
    if error.status is Status.FAILED_PRECONDITION:
        return EngineUnavailable(
            f"Modal ({server}) refuses the package 'modal' {settings.version}: {said}",
            "If it is too old, install a newer one: pip install -U modal",
        )
    if error.status is Status.PERMISSION_DENIED:
        return EngineUnavailable(
            f"Modal ({server}) does not let {settings.who!r} in, which is that of "
            f"{settings.source}: {said}",
            "Ask who manages the workspace: https://modal.com/settings",
        )
    if error.status in (Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED):
        return EngineUnavailable(f"Modal cannot be reached at {server}: {said}", _network_remedy())
    return EngineUnavailable(
        f"Modal ({server}) answered {error.status.name}: {said}",
        "That is neither this machine's fault nor the token's: try again, or see "
        "https://status.modal.com.",
    )


def _network_remedy() -> str:
    remedy = "Check the network of this machine, and MODAL_SERVER_URL if it is set; whether Modal "
    remedy += "is up, https://status.modal.com says."
    proxies = sorted(name for name in os.environ if name.upper() in _PROXIES and os.environ[name])
    if proxies and not is_off():
        remedy += f" There may be a proxy on the way, by {', '.join(proxies)}: NO_PROXY names "
        remedy += f"hosts that are reached without it, and {OFF}=1 turns it off."
    return remedy
