"""The first call: whether Modal can be reached, and takes the token and the version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.empty_pb2 import Empty
from grpclib import GRPCError, Status

from pytest_sandbox.engine import EngineUnavailable

if TYPE_CHECKING:
    from .control import ControlPlane
    from .warnings_of_modal import CloudWarnings

#: Seconds that Modal has to answer.
_TIMEOUT = 10.0


async def greet(control: ControlPlane, warnings: CloudWarnings) -> None:
    """Say hello.

    Args:
        control: Modal.
        warnings: takes what Modal warns of.

    Raises:
        EngineUnavailable: Modal cannot be reached, or lets this client not in; the remedy says
            whose fault that is.
    """
    settings = control.settings
    server = " or ".join(settings.server_urls)
    try:
        hello = await control.ask("ClientHello", Empty(), timeout=_TIMEOUT)
    except GRPCError as error:
        said = error.message or error.status.name
        if error.status is Status.UNAUTHENTICATED:
            raise EngineUnavailable(
                f"Modal ({server}) does not take the token {settings.token_id!r}, which is that of "
                f"{settings.source}: {said}",
                "Make a new one: modal token new. Tokens end when they are deleted at "
                "https://modal.com/settings/tokens.",
            ) from None
        if error.status in (Status.FAILED_PRECONDITION, Status.PERMISSION_DENIED):
            raise EngineUnavailable(
                f"Modal ({server}) refuses the package 'modal' {settings.version}: {said}",
                "If it is too old, install a newer one: pip install -U modal",
            ) from None
        if error.status in (Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED):
            raise EngineUnavailable(
                f"Modal cannot be reached at {server}: {said}",
                "Check the network of this machine, and MODAL_SERVER_URL if it is set; whether "
                "Modal is up, https://status.modal.com says.",
            ) from None
        raise EngineUnavailable(
            f"Modal ({server}) answered {error.status.name}: {said}",
            "That is neither this machine's fault nor the token's: try again, or see "
            "https://status.modal.com.",
        ) from None
    for text in (hello.warning, *(each.message for each in hello.server_warnings)):
        if text:
            warnings.add("", text)
