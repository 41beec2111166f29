"""What to do about an error of Modal's servers, whose words do not know where it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grpclib import GRPCError, Status

from pytest_sandbox.rpcs import retry_after

if TYPE_CHECKING:
    from .transport.settings import CloudSettings


def explained(rpc: str, request: Any, error: GRPCError, settings: CloudSettings) -> GRPCError:
    """The error, with what to do about it if that is known.

    Args:
        rpc: the call that failed.
        request: its message.
        error: what Modal answered.
        settings: of the run.
    """
    hint = _hint(rpc, request, error, settings)
    if not hint:
        return error
    said = (error.message or error.status.name).rstrip(".")
    return GRPCError(error.status, f"{said}. {hint}", error.details)


def _hint(rpc: str, request: Any, error: GRPCError, settings: CloudSettings) -> str:
    who = f"{settings.who!r} ({settings.source})"
    if error.status is Status.UNAUTHENTICATED:
        new = "Make a new token: modal token new"
        if settings.oauth is not None:
            new = "Get new ones from the service that has them"
        return (
            f"Modal does not take the credentials of {who} any more: they were deleted or have "
            f"expired while the run went on. {new}"
        )
    if error.status is Status.PERMISSION_DENIED:
        return f"Modal does not let {who} do that: ask who manages the workspace"
    if error.status is Status.RESOURCE_EXHAUSTED and retry_after(error.details) is None:
        return (
            "That is a limit of your workspace at Modal, such as its budget, or how many "
            "containers or GPUs run at a time: see https://modal.com/settings/usage, or run fewer "
            "tests at a time (-n)"
        )
    if error.status is Status.UNIMPLEMENTED:
        return (
            f"Modal's servers do not carry out {rpc} as it was asked for: see 'What differs' in "
            "docs/cloud.md, and whether there is a newer pytest-sandbox"
        )
    environment = settings.environment
    if error.status is Status.NOT_FOUND and environment == _environment(request) != "":
        return (
            f"The environment is {environment!r}, by MODAL_ENVIRONMENT or the profile: "
            "`modal environment list` shows those that there are"
        )
    return ""


def _environment(request: Any) -> str:
    fields = request.DESCRIPTOR.fields_by_name
    name = "deployment_name" if request.DESCRIPTOR.name.startswith("Env") else "environment_name"
    return str(getattr(request, name)) if name in fields else ""
